"""Where parcels are that carriers outside were asked to fetch.

The carrier's webhook says that something has changed, and is not believed: it only makes a parcel
due. What is due is asked for, again and again while nothing is heard, so that a lost webhook costs
time and nothing else. What comes of it is folded in by the carrier's revisions: the same however
often and in whatever order it is learned.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from apps.contracts.shipping import ShipmentHandedOver
from apps.messaging.context import context
from apps.messaging.database import Database, Row, columns
from apps.messaging.dead_letters import describe
from apps.messaging.envelope import Envelope
from apps.shipping import carrier_api
from apps.shipping.carrier_api import MOST_TRACKED, Stage, Tracked
from apps.shipping.confirmed import Confirmed, publish_turn
from apps.shipping.models import ShipmentStatus

log = structlog.get_logger()

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 60.0  # while the carrier does not answer

# Take what is due, the longest first; if nothing comes of it, it is due again soon.
TAKE_DUE = """
WITH chosen AS MATERIALIZED (
  SELECT saga_id FROM shipping_tracking WHERE due_at <= now()
  ORDER BY due_at LIMIT %b FOR UPDATE SKIP LOCKED)
UPDATE shipping_tracking AS tracking SET due_at = now() + interval '30 seconds'
FROM chosen WHERE tracking.saga_id = chosen.saga_id
RETURNING reference, tracking.saga_id, due_at
"""

# What we know of these, locked in key order together with their shipments.
LOCK = """
SELECT saga_id, tracking.plan, tracking.traceparent, tracking.causation_id, tracking.stage,
       tracking.revision, shipment.status, shipment.carrier
FROM shipping_tracking AS tracking JOIN shipping_shipment AS shipment USING (saga_id)
WHERE saga_id = ANY(%b::uuid[]) ORDER BY saga_id FOR UPDATE
"""

# Whose cancelling or recalling is under way: our own doing is no news.
IN_HAND = """
SELECT subject::uuid FROM shipping_intent
WHERE subject = ANY(%b::text[]) AND operation IN ('cancel', 'recall')
  AND status IN ('due', 'claimed', 'unknown', 'waiting')
"""

# Write what was learned. The longer nothing has changed, the later it is asked again: from half a
# minute to an hour. A webhook that came meanwhile has made it due at once, and that stays so.
LEARN = """
UPDATE shipping_tracking AS tracking
SET stage = learned.stage, revision = learned.revision,
    changed_at = CASE WHEN tracking.stage = learned.stage THEN changed_at ELSE now() END,
    due_at = CASE WHEN tracking.due_at IS DISTINCT FROM learned.due_at THEN tracking.due_at
                  WHEN learned.is_last THEN NULL
                  WHEN tracking.stage <> learned.stage THEN now() + interval '30 seconds'
                  ELSE now() + least(greatest((now() - changed_at) / 4, interval '30 seconds'),
                                     interval '1 hour') END
FROM unnest(%b::uuid[], %b::timestamptz[], %b::text[], %b::bigint[], %b::bool[])
  AS learned (saga_id, due_at, stage, revision, is_last)
WHERE tracking.saga_id = learned.saga_id
"""

# booked -> handed_over: the carrier has them. The caller holds the rows' locks.
HAND_OVER = """
UPDATE shipping_shipment SET status = 'handed_over', handed_over_at = statement_timestamp()
WHERE saga_id = ANY(%b::uuid[]) AND status = 'booked'
"""


class Asked(NamedTuple):
    """A parcel that the carrier is being asked about."""

    saga_id: UUID
    due_at: datetime  # as it was set when it was taken; another one: a webhook came since


class Known(NamedTuple):
    """What we know of a parcel."""

    confirmed: Confirmed
    stage: Stage
    revision: int
    status: ShipmentStatus
    carrier: str


class CarrierWatch:
    """Asks carriers outside where parcels are. They are asked in a thread of its own, so that one
    who is silent keeps nobody waiting; the database is the caller's."""

    def __init__(self) -> None:
        self.database = context("shipping").database
        self.thread = ThreadPoolExecutor(1, "carrier")
        self.asked: Mapping[str, Asked] = {}
        self.answer: Future[list[Tracked]] | None = None
        self.silent = 0  # times in a row
        self.quiet_until = 0.0

    def turn(self) -> int:
        """Hear what the carrier has answered, or ask it; of how many parcels something was heard.
        Never waits for it."""
        if self.answer is None:
            self._ask()
        elif self.answer.done():
            answer, self.answer = self.answer, None
            return self._hear(answer)
        return 0

    def close(self) -> None:
        """What is asked for is not waited for."""
        self.thread.shutdown(wait=False, cancel_futures=True)

    def _ask(self) -> None:
        if time.monotonic() < self.quiet_until:
            return
        rows = self.database.fetch(TAKE_DUE, [MOST_TRACKED])
        self.asked = {reference: Asked(saga_id, due_at) for reference, saga_id, due_at in rows}
        if self.asked:
            self.answer = self.thread.submit(carrier_api.track, [*self.asked])

    def _hear(self, answer: Future[list[Tracked]]) -> int:
        if error := answer.exception():
            pause = min(FIRST_PAUSE_SECONDS * 2 ** min(self.silent, 10), LONGEST_PAUSE_SECONDS)
            self.silent, self.quiet_until = self.silent + 1, time.monotonic() + pause
            log.warning("carrier_silent", error=describe(error), pause=pause)
            return 0
        self.silent = 0
        found = [each for each in answer.result() if each.reference in self.asked]
        if unclear := self.asked.keys() - {each.reference for each in found}:
            log.error("carrier_knows_nothing_of", references=sorted(unclear))
        learn(self.database, self.asked, found)
        return len(found)


def learn(database: Database, asked: Mapping[str, Asked], found: Sequence[Tracked]) -> None:
    """Fold in what the carrier says, in one transaction, and tell what follows from it."""
    theirs = {asked[each.reference].saga_id: each for each in found}
    with database.transaction():
        known = {row[0]: _known(row) for row in database.fetch(LOCK, [[*theirs]])}
        in_hand = {row[0] for row in database.fetch(IN_HAND, [[str(each) for each in theirs]])}
        said = [
            (ours, theirs[saga_id])
            for saga_id, ours in known.items()
            if not (theirs[saga_id].status is Stage.CANCELLED and saga_id in in_hand)
        ]
        fresh = [(ours, each) for ours, each in said if each.revision > ours.revision]
        database.execute(HAND_OVER, [[o.confirmed.saga_id for o, each in fresh if leaves(o, each)]])
        rows = [_learned(ours, each, asked[each.reference].due_at) for ours, each in said]
        database.execute(LEARN, columns(rows, 5))
        publish_turn(database, [message for each in fresh for message in news(*each)])


def _learned(ours: Known, theirs: Tracked, due_at: datetime) -> Row:
    """In the order of LEARN: what is older than what we know changes nothing."""
    newer = theirs.revision > ours.revision
    stage, revision = (theirs.status, theirs.revision) if newer else (ours.stage, ours.revision)
    return (ours.confirmed.saga_id, due_at, stage.value, revision, stage.is_last)


def leaves(ours: Known, theirs: Tracked) -> bool:
    """Whether by this a parcel has left that was here."""
    return ours.status == ShipmentStatus.BOOKED and theirs.status.has_left


def news(ours: Known, theirs: Tracked) -> Iterator[Envelope]:
    """What is to be told of a change: that the parcel has left, and what a person should see to."""
    if leaves(ours, theirs):
        event = ShipmentHandedOver(carrier=ours.carrier, reference=theirs.reference)
        yield ours.confirmed.tell(event)
    if need := need_of(ours, theirs):
        kind, what = need
        yield ours.confirmed.need_person(kind, f"{ours.carrier} {what}".format(theirs.reference))


def need_of(ours: Known, theirs: Tracked) -> tuple[str, str] | None:
    """The kind of case that a change opens, and what the carrier did."""
    is_ours = ours.status in (ShipmentStatus.BOOKED, ShipmentStatus.HANDED_OVER)
    if not is_ours and theirs.status.has_left and not ours.stage.has_left:
        return "parcel_taken", "has fetched the parcel {}, which was to stay here: have it back"
    if is_ours and theirs.status is Stage.CANCELLED:
        return "parcel_refused", (
            "has cancelled the parcel {} of a confirmed order: send the goods another way,"
            " or cancel the order"
        )
    if theirs.status is Stage.LOST:
        return "parcel_lost", "has lost the parcel {}: send another, or give the money back"
    if theirs.status is Stage.RETURNED:
        return "parcel_returned", "brings the parcel {} back: ask the customer what is wanted"
    return None


def _known(row: Row) -> Known:
    *confirmed, stage, revision, status, carrier = row
    return Known(Confirmed(*confirmed), Stage(stage), revision, ShipmentStatus(status), carrier)
