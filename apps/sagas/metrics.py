"""What the engine tells of its sagas from outside. docs/metrics.md explains each."""

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial

from django.db import transaction
from prometheus_client import Counter, Gauge, Histogram

from apps.contracts.base import context_of
from apps.messaging.database import Database, Row
from apps.messaging.gauges import Gauge as ReadGauge
from apps.messaging.gauges import Measure, Sample
from apps.processes import LIVE as DEFINITIONS
from apps.sagas.sleeping import AWAKE
from apps.sagas.state import LIVE, Outcome, Status

SERVICES = {
    step.name: context_of(step.success) for each in DEFINITIONS for step in each.steps
}  # by step
PREFIXES = {
    Outcome.UNDONE: "undo_",
    Outcome.NOTHING_TO_UNDO: "undo_",
    Outcome.HAPPENED: "fence_",
    Outcome.FENCED: "fence_",
}

STEP_DURATION = Histogram(
    "saga_step_duration_seconds",
    "From asking a step, its undo (undo_...) or its outcome (fence_...), to its answer",
    ["service", "step"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600),
)
OVERDUE = Counter("watchdog_overdue_total", "Sagas that were told that something is due")
SET_ASIDE_TOTAL = Counter("watchdog_set_aside_total", "Sagas that could not be told, now a case")
DEFERRED = Counter("watchdog_deferred_total", "Sagas put off while their answer may lie in Kafka")
HELD = Gauge(
    "watchdog_compensation_held",
    "1 while so many sagas are late that none is turned back by time",
    multiprocess_mode="livemax",
)
COMPENSATIONS = Counter("saga_compensations_total", "Compensations that had an effect", ["service"])


def observe_history(database: Database, told: Sequence[Row]) -> None:
    """Observe the lines that were added to the history, as soon as the transaction has committed.

    A line is (step, outcome, seconds from asking to answer, by the database's clock).
    """
    transaction.on_commit(partial(_observe, told), using=database.alias)


def observe_answer(*, step: str, outcome: str, service: str, seconds: float) -> None:
    """One request was answered. The start of a saga, which nobody asked for, took no time."""
    if seconds > 0:
        name = PREFIXES.get(Outcome(outcome), "") + step
        _stopwatch(service, name).observe(seconds)
    if outcome == Outcome.UNDONE:
        COMPENSATIONS.labels(service).inc()


@lru_cache(maxsize=256)
def _stopwatch(service: str, step: str) -> Histogram:
    """Looking it up in the histogram itself takes longer than observing."""
    return STEP_DURATION.labels(service, step)


def _observe(told: Iterable[Row]) -> None:
    for step, outcome, seconds in told:
        observe_answer(step=step, outcome=outcome, service=SERVICES[step], seconds=seconds)


# --- read from the database

# Sagas that have not ended: how many by status, and the age of the oldest that does not sleep.
IN_FLIGHT = f"""
SELECT status, count(*), coalesce(
    extract(epoch FROM clock_timestamp() - min(started_at) FILTER (WHERE {AWAKE}))::float8, 0)
FROM sagas_saga WHERE ended_at IS NULL GROUP BY status
"""  # noqa: S608  only constants are put together

SAGAS_IN_FLIGHT = ReadGauge("sagas_in_flight", "Sagas that have not ended", ("status",))
OLDEST = ReadGauge("saga_oldest_seconds", "Age of the oldest that is not told to wait longer", ())
SAGAS_STUCK = ReadGauge("sagas_stuck", "Sagas that need a person", ())


def read_sagas(database: Database) -> list[Sample]:
    """Every live status has its sample, be it 0."""
    found = {status: (count, age) for status, count, age in database.fetch(IN_FLIGHT)}
    counts = {each.value: found.get(each.value, (0, 0))[0] for each in LIVE}
    oldest = max((age for _, age in found.values()), default=0)
    return [
        *(Sample(SAGAS_IN_FLIGHT.name, (status,), count) for status, count in counts.items()),
        Sample(OLDEST.name, (), oldest),
        Sample(SAGAS_STUCK.name, (), counts.get(Status.STUCK, 0)),
    ]


MEASURES = (Measure((SAGAS_IN_FLIGHT, OLDEST, SAGAS_STUCK), read_sagas, model="Saga"),)
