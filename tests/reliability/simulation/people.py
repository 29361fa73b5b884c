"""What operators do: moves of all kinds while it storms, and what is left for them afterwards."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

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
PAYING = "authorize_payment"


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
    return {saga_id for context in CONTEXTS for (saga_id,) in Database(context).fetch(HELD_UP)}


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
        if move is record_outcome and not self.gateway.effects[str(saga.saga_id), "capture"]:
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

    # --- when all is well again

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
    operations.record_outcome(step="capture_payment", evidence="statement", **said)


MOVES: tuple[Move, ...] = (
    compensate, retry, skip, skip, pause, resume, resolve, substitute, record_outcome,
)  # fmt: skip
ON_DESK: tuple[Move, ...] = (retry, resolve, substitute)
