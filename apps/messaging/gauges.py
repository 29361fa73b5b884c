"""Gauges that are read out of the databases when somebody asks, and counted by no process.

A measure is one cheap statement and the gauges that it fills. Those here are of the tables that
every context has; a context declares its own as MEASURES in its module `metrics`.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from apps.messaging.context import ContextConfig
from apps.messaging.database import Database
from apps.messaging.outages import SILENT
from apps.messaging.wiring import wiring

# What the broker has not acknowledged yet: how many messages, and the age of the oldest.
OUTBOX = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
FROM {context}_outboxmessage
"""

# Messages that wait for a re-send, a replay or a compensation.
PARKED = "SELECT count(*) FROM {context}_deadletter WHERE status = 'parked'"

# Outside calls that could be made by now: how many, and since when the oldest could; one whose
# worker died, since its lease ran out. It was due when it was claimed: an index by due_at has it.
INTENTS = """
SELECT count(*),
  coalesce(extract(epoch FROM now() - min(coalesce(leased_until, due_at))), 0)::float8
FROM {context}_intent
WHERE status IN ('due', 'claimed', 'unknown', 'waiting') AND due_at <= now()
  AND coalesce(leased_until <= now(), true)
"""

# The providers that are not well: whether they are called (0), found out about (1) or not called
# (2), since when not, and how many calls are held back for it.
PROVIDERS = """
SELECT name,
    CASE WHEN opened_at IS NULL THEN 0 WHEN probing OR retry_at <= clock_timestamp() THEN 1
        ELSE 2 END,
    coalesce(extract(epoch FROM clock_timestamp() - opened_at), 0)::float8,
    CASE WHEN opened_at IS NULL THEN 0 ELSE (
        SELECT count(*) FROM {context}_intent
        WHERE status IN ('due', 'unknown', 'waiting') AND starts_with(reason, name || %b)) END
FROM {context}_providerstate
"""


class Gauge(NamedTuple):
    """A gauge's name, meaning and labels."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ("service",)


class Sample(NamedTuple):
    """One value of a gauge."""

    gauge: str
    labels: tuple[str, ...]
    value: float


class Measure(NamedTuple):
    """Gauges, and how they are read from a context's database."""

    gauges: tuple[Gauge, ...]
    read: Callable[[Database], Iterable[Sample]]
    model: str = ""  # the model that a context must have to be measured so


def by_service(statement: str, *gauges: Gauge, model: str) -> Measure:
    """A measure by a statement that gives one row, with one value for each gauge."""
    return Measure(gauges, partial(_read_row, statement, gauges), model)


def _read_row(statement: str, gauges: Sequence[Gauge], database: Database) -> list[Sample]:
    [row] = database.fetch(statement)
    pairs = zip(gauges, row, strict=True)
    return [Sample(gauge.name, (database.alias,), value) for gauge, value in pairs]


OF_PROVIDERS = (
    Gauge(
        "provider_state",
        "0: called as ever; 1: one call finds out whether it answers again; 2: not called",
        ("service", "provider"),
    ),
    Gauge(
        "provider_silent_seconds",
        "For how long it has not been called; 0: it is",
        ("service", "provider"),
    ),
    Gauge("provider_calls_held_back", "Calls that wait for it to answer", ("service", "provider")),
)


def _read_providers(database: Database) -> list[Sample]:
    known = {call.provider.name: (0.0, 0.0, 0.0) for call in wiring(database.alias).calls.values()}
    known |= {name: tuple(told) for name, *told in database.fetch(PROVIDERS, [SILENT])}
    return [
        Sample(gauge.name, (database.alias, name), value)
        for name, told in known.items()
        for gauge, value in zip(OF_PROVIDERS, told, strict=True)
    ]


MEASURES = (
    by_service(
        OUTBOX,
        Gauge("outbox_messages", "Messages that the broker has not acknowledged"),
        Gauge("outbox_oldest_seconds", "Age of the oldest of them; 0: there is none"),
        model="OutboxMessage",
    ),
    by_service(
        PARKED,
        Gauge("dead_letters_parked", "Parked messages that nothing has settled"),
        model="DeadLetter",
    ),
    by_service(
        INTENTS,
        Gauge("intents_due", "Outside calls that are due"),
        Gauge("intents_oldest_due_seconds", "For how long the oldest has been; 0: there is none"),
        model="Intent",
    ),
    Measure(OF_PROVIDERS, _read_providers, model="ProviderState"),
)


def measures_of(context: ContextConfig) -> list[Measure]:
    """What can be measured of a context: by the tables that it has, and by its own module."""
    declared = (*MEASURES, *_own(context))
    return [each for each in declared if not each.model or each.model.lower() in context.models]


def read_gauges(context: ContextConfig) -> list[Sample]:
    """All gauges of a context now, one statement for each measure."""
    return [sample for each in measures_of(context) for sample in each.read(context.database)]


def _own(context: ContextConfig) -> Sequence[Measure]:
    name = f"{context.name}.metrics"
    return getattr(import_module(name), "MEASURES", ()) if find_spec(name) else ()
