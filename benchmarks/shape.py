"""What one saga of a mode is made of, measured: its rows, its messages, and what led to what.

The floor is built from it, so that nothing about the floor is guessed.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.sql import SQL, Identifier

from apps.contracts.catalogue import CONTEXTS, EVENT_TOPICS, command_topic
from apps.contracts.plan import Mode
from apps.messaging.wiring import wiring
from benchmarks import cluster
from benchmarks.environment import Owners
from benchmarks.errors import WrongOutcome
from benchmarks.hop import Letter, text
from benchmarks.load import Throttle
from benchmarks.modes import is_driven_by
from benchmarks.rows import Rows

SAMPLE = 200  # sagas
BESIDE_BODY = 64  # bytes of a floor's row that are not its body: header, id, saga, time

# Rows written so far, by table.
ROWS_WRITTEN = "SELECT relname, n_tup_ins, n_tup_upd FROM pg_stat_user_tables"
WIDTH = SQL("SELECT coalesce(avg(pg_column_size(each.*)), 0)::int FROM {} AS each")

Counts = Mapping[tuple[str, str], tuple[int, int]]  # by context and table: inserted, updated


@dataclass(frozen=True, slots=True)
class Traced:
    """A message of the traced saga."""

    id: str
    cause: str
    type: str
    context: str  # that sent it
    letter: Letter


@dataclass(frozen=True, slots=True)
class Shape:
    """A saga as it was measured."""

    placing: list[Rows]  # per order, by the service that accepts it (in orders)
    carrying: Mapping[str, list[Rows]]  # per saga, by each context's consumer
    trace: Sequence[Traced] = field(repr=False)

    @property
    def start(self) -> Traced:
        """The message that nothing led to."""
        [first] = [each for each in self.trace if each.cause == each.id]
        return first

    def effects(self, context: str) -> dict[str, list[Traced]]:
        """By each message type that the context hears: the messages that it leads to there."""
        table = wiring(context)
        heard = [
            each
            for each in self.trace
            if each.type in table.names and each.letter.topic in table.topics
        ]
        return {
            cause.type: [
                each for each in self.trace
                if each.cause == cause.id and each.context == context and each is not cause
            ]
            for cause in heard
        }  # fmt: skip

    def per_hop(self, context: str) -> list[Rows]:
        """Rows for each message that the context hears: spread evenly over them."""
        share = 1 / len(self.effects(context))
        return [rows.times(share) for rows in self.carrying[context]]

    def rows_of(self, context: str) -> list[Rows]:
        """All tables that are written there."""
        return self.carrying[context] + (self.placing if context == "orders" else [])

    def rows_per_saga(self) -> tuple[float, float]:
        """Inserted and updated, all contexts together, without the outbox."""
        every = [rows for context in CONTEXTS for rows in self.rows_of(context)]
        return sum(rows.inserted for rows in every), sum(rows.updated for rows in every)


# --- rows


def counted(owners: Owners) -> Counts:
    """Rows written so far, as PostgreSQL counts them (of sessions that have ended)."""
    return {
        (context, table): (inserted, updated)
        for context in CONTEXTS
        for table, inserted, updated in owners[context].execute(ROWS_WRITTEN).fetchall()
        if table.startswith(f"{context}_") and not table.endswith("_outboxmessage")
    }


def counted_until(owners: Owners, before: Counts, table: tuple[str, str], rows: int) -> Counts:
    """The counts, once those of the table tell that it got so many rows: sessions that have ended
    hand them in a little later."""
    until = time.monotonic() + 15
    while counted(owners)[table][0] - before[table][0] < rows:
        if time.monotonic() > until:
            raise WrongOutcome(f"PostgreSQL did not count {rows} rows of {table[1]}")
        time.sleep(0.2)
    time.sleep(1)  # for those of the other databases
    return counted(owners)


def rows_between(owners: Owners, before: Counts, after: Counts, context: str) -> list[Rows]:
    """What a context's tables got, per saga of the sample."""
    found = []
    for (owner, table), (inserted, updated) in after.items():
        new = inserted - before[owner, table][0]
        changed = updated - before[owner, table][1]
        if owner == context and (new or changed):
            found.append(Rows(table, new / SAMPLE, changed / SAMPLE, _width(owners, owner, table)))
    return found


def _width(owners: Owners, context: str, table: str) -> int:
    row = owners[context].execute(WIDTH.format(Identifier(table))).fetchone()
    assert row
    return max(0, int(row[0]) - BESIDE_BODY)


# --- messages

ORDINARY_SHARE = 0.9


def one_trace(prefix: str, topics: Sequence[str], mode: Mode, number: int) -> list[Traced]:
    """All messages of one saga of a mode without a repetition. Raises WrongOutcome unless most are
    like it: a few may have been answered again while the consumers were joining."""
    sagas: dict[str, list[Traced]] = defaultdict(list)
    for message in cluster.messages(topics):
        headers = [(name, text(value)) for name, value in dict(message.headers() or ()).items()]
        known = dict(headers)
        if not is_driven_by(mode, known["plan"]):
            continue
        topic = (message.topic() or "").removeprefix(prefix)
        letter = Letter(topic, headers, message.value() or b"")
        sagas[known["saga_id"]].append(
            Traced(known["message_id"], known["causation_id"], known["type"], sender(topic), letter)
        )
    shortest = min(sagas.values(), key=len, default=[])
    as_short = sum(len(trace) == len(shortest) for trace in sagas.values())
    if len(sagas) != number or as_short < number * ORDINARY_SHARE:
        lengths = sorted(map(len, sagas.values()))
        raise WrongOutcome(f"{len(sagas)} sagas of {number}, with {lengths} messages each")
    return shortest


def sender(topic: str) -> str:
    """Whose messages lie in a topic: a context's events are its own, commands are the engine's."""
    senders: dict[str, str] = {topic: context for context, topic in EVENT_TOPICS.items()}
    senders |= {command_topic(context): "sagas" for context in CONTEXTS}
    return senders[topic]


# --- the sample


def place_sample(mode: Mode, folder: Path) -> None:
    """Place the sample's orders by processes that end afterwards, so that they are counted."""
    Throttle(mode, SAMPLE, folder).start_all()
