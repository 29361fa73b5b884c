"""What operators do: moves of all kinds while it storms, and what is left for them afterwards."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from apps.contracts.values import AcceptedLine, Line
from apps.inventory.errors import ArrivalBusy
from apps.inventory.receiving import record_arrival
from apps.messaging.audit import Actor
from apps.messaging.database import Database
from apps.messaging.dead_letter_operations import preview_replay, replay_letter
from apps.sagas import operations
from apps.sagas.errors import MoveNotAllowed, SagaMoved
from apps.sagas.state import Detours
from sagaplatform.env import CONTEXTS
from tests.reliability.simulation.chance import Chance
from tests.reliability.simulation.clock import Clock
from tests.reliability.simulation.gateway import SimulatedGateway
from tests.reliability.simulation.trace import Trace

ACTOR = Actor(1, "operator")
LIVE = """
SELECT saga_id, revision, status, pending_step, pending_action, detours::text
FROM sagas_saga WHERE ended_at IS NULL ORDER BY saga_id
"""
METHOD = "SELECT method FROM payments_payment WHERE saga_id = %b"
PARKED = "SELECT id, saga_id, type FROM {context}_deadletter WHERE status = 'parked' ORDER BY id"
WRITTEN = """
SELECT revision, (SELECT count(*) FROM sagas_operatoraction WHERE reason = %b)
FROM sagas_saga WHERE saga_id = %b
"""
HELD_UP = "SELECT DISTINCT saga_id FROM {context}_deadletter WHERE status = 'waiting'"
# The returns of orders whose hand-over is parked in inventory: first that is booked out.
NOT_BOOKED_OUT = """
SELECT arrival.saga_id FROM inventory_arrival AS arrival
JOIN inventory_deadletter AS letter ON letter.saga_id = arrival.placed_by
WHERE letter.status = 'parked' AND letter.type = 'ShipmentHandedOver'
"""
EXPECTED = """
SELECT id, saga_id, version, expected::text FROM inventory_arrival
WHERE status = 'expected' ORDER BY saga_id
"""
PAYING = "authorize_payment"
RECEIVING = "receive_goods"


class Live(NamedTuple):
    """A saga as an operator sees it."""

    saga_id: UUID
    version: int
    status: str
    step: str | None
    action: str | None
    detours: Detours

    @property
    def on_desk(self) -> str:
        """The first step whose undoing stands on the desk; empty where none does."""
        return self.detours.desk[0].step if self.detours.desk else ""

    @property
    def waits_for_a_person(self) -> bool:
        """Nothing is asked any more: what stands on the desk was refused for good."""
        return self.step is None and all(each.refused for each in self.detours.desk)


Move = Callable[["People", Live, dict[str, Any]], None]


def live() -> list[Live]:
    """All sagas that have not ended."""
    return [
        Live(saga_id, version, status, step, action, msgspec.json.decode(detours, type=Detours))
        for saga_id, version, status, step, action, detours in Database("sagas").fetch(LIVE)
    ]


def held_up() -> set[UUID]:
    """The sagas of which a message waits behind a parked one, which a person sends again."""
    found = {saga_id for context in CONTEXTS for (saga_id,) in Database(context).fetch(HELD_UP)}
    return found | {saga_id for (saga_id,) in Database("inventory").fetch(NOT_BOOKED_OUT)}


class People:
    """The operators of one run. Each move has a reason of its own, by which its audit is found."""

    def __init__(
        self, chance: Chance, clock: Clock, trace: Trace, gateway: SimulatedGateway
    ) -> None:
        self.chance, self.clock, self.trace, self.gateway = chance, clock, trace, gateway
        self.substituted: set[UUID] = set()  # credit was given for what a card was charged
        self.violations: list[str] = []
        self._reasons = count(1)

    # --- while it storms

    def meddle(self) -> None:
        """Somebody does something to some saga, allowed or not."""
        if found := live():
            saga = self.chance.one_of(found)
            self.move(saga, self.chance.one_of(MOVES))

    def move(self, saga: Live, move: Move) -> None:
        """Make a move; it leaves an audit row, or changes nothing."""
        move = self._fitting(saga, move)
        reason = f"reason {next(self._reasons)}"
        version = saga.version - (self.chance.below(20) == 0 and not self.chance.healed)
        said = {"saga_id": saga.saga_id, "version": version, "actor": ACTOR, "reason": reason}
        name = f"{move.__name__} of {self.trace.saga(saga.saga_id)}"
        try:
            move(self, saga, said)
        except (MoveNotAllowed, SagaMoved) as refusal:
            self.trace.tell(f"    {name} is refused: {type(refusal).__name__}")
        finally:
            self._look_at_audit(saga, reason, name)

    def _fitting(self, saga: Live, move: Move) -> Move:
        """The same, or another one where it would be a lie: a person says that something was given
        back or taken outside only where that is so."""
        pays = saga.on_desk == PAYING
        if move is resolve and not (pays and self.paid_by_card(saga.saga_id)):
            return retry
        if move is substitute and not pays:
            return retry
        taken = self.gateway.effects[str(saga.saga_id), "capture"]
        if move is record_outcome and not (taken or saga.step == RECEIVING):
            return compensate
        return move

    def _look_at_audit(self, saga: Live, reason: str, name: str) -> None:
        [(revision, written)] = Database("sagas").fetch(WRITTEN, (reason, saga.saga_id))
        moved = revision > saga.version
        if written != moved:
            self.violations.append(f"I9: {name} moved it: {moved}, but has {written} audit rows")
        if moved:
            self.chance.counts[f"move {name.partition(' ')[0]}"] += 1

    def replay_one(self, context: str) -> None:
        """Send some parked message of a context again."""
        if letters := Database(context).fetch(PARKED):
            self._replay(context, *self.chance.one_of(letters))

    def receive_one(self) -> None:
        """Somebody looks into some parcel that is awaited."""
        if parcels := Database("inventory").fetch(EXPECTED):
            self._receive(*self.chance.one_of(parcels))

    # --- when all is well again

    def receive_all(self) -> int:
        """Look into all parcels that are awaited; how many could be taken."""
        return sum(self._receive(*each) for each in Database("inventory").fetch(EXPECTED))

    def replay_all(self, context: str) -> int:
        """Send all parked messages of a context again; how many."""
        letters = Database(context).fetch(PARKED)
        for letter in letters:
            self._replay(context, *letter)
        return len(letters)

    def clear_desk(self) -> int:
        """Settle what stands on the desk, one thing of each saga; how many moves were made."""
        found = [each for each in live() if each.detours.desk]
        for saga in found:
            self.move(saga, self.chance.one_of(ON_DESK))
        return len(found)

    def _receive(self, arrival_id: UUID, saga_id: UUID, version: int, expected: str) -> bool:
        """Accept some of a parcel, some of that damaged, or nothing; whether the desk was free."""
        found: list[AcceptedLine] = []
        for line in msgspec.json.decode(expected, type=tuple[Line, ...]):
            some = self.chance.below(line.quantity + 1)
            if pieces := self.chance.one_of((line.quantity, some), (3, 1)):
                damaged = self.chance.one_of((0, self.chance.below(pieces + 1)))
                found.append(
                    AcceptedLine(product_id=line.product_id, quantity=pieces, damaged=damaged)
                )
        self.trace.tell(f"    receives {found} of {self.trace.saga(saga_id)}")
        try:
            record_arrival(
                arrival_id=arrival_id, accepted=found, version=version, actor=ACTOR,
                reason="unpacked it",
            )  # fmt: skip
        except ArrivalBusy:
            self.trace.tell("    the desk is busy")
            return False
        self.chance.counts["parcel received" if found else "parcel refused"] += 1
        return True

    def _replay(self, context: str, letter_id: UUID, saga_id: UUID | None, type_name: str) -> None:
        self.chance.counts["replay"] += 1
        self.trace.tell(f"    replays {type_name} of {self.trace.saga(saga_id)} to {context}")
        seen = preview_replay(context=context, letter_id=letter_id)
        replay_letter(
            context=context,
            letter_id=letter_id,
            version=seen.version,
            actor=ACTOR,
            reason="the handler is mended",
        )

    def paid_by_card(self, saga_id: UUID) -> bool:
        return Database("payments").fetch(METHOD, [saga_id]) == [("card",)]


# --- the moves


def compensate(people: People, saga: Live, said: dict[str, Any]) -> None:
    operations.compensate_saga(**said)


def retry(people: People, saga: Live, said: dict[str, Any]) -> None:
    operations.retry_step(step=saga.on_desk or saga.step or "", **said)


def skip(people: People, saga: Live, said: dict[str, Any]) -> None:
    operations.skip_step(step="wrap_gift", **said)


def pause(people: People, saga: Live, said: dict[str, Any]) -> None:
    until = people.clock.now + timedelta(seconds=people.chance.between(5, 900))
    operations.pause_saga(until=until, **said)


def resume(people: People, saga: Live, said: dict[str, Any]) -> None:
    operations.resume_saga(**said)


def resolve(people: People, saga: Live, said: dict[str, Any]) -> None:
    """Give a card's payment back by hand, then say so."""
    people.gateway.give_back_by_hand(str(saga.saga_id))
    operations.resolve_step(step=PAYING, evidence="receipt", **said)


def substitute(people: People, saga: Live, said: dict[str, Any]) -> None:
    people.substituted.add(saga.saga_id)
    operations.substitute_step(step=PAYING, command="CreditInstead", **said)


def record_outcome(people: People, saga: Live, said: dict[str, Any]) -> None:
    """What was taken, as the gateway's own pages say; or that goods are here, as one can see."""
    step = RECEIVING if saga.step == RECEIVING else "capture_payment"
    operations.record_outcome(step=step, evidence="statement", **said)


MOVES: tuple[Move, ...] = (
    compensate, retry, skip, skip, pause, resume, resolve, substitute, record_outcome,
)  # fmt: skip
ON_DESK: tuple[Move, ...] = (retry, resolve, substitute)
