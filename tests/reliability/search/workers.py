"""Workers: they claim calls, make them under their keys, and record what they were answered."""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from apps.contracts.catalogue import Action
from apps.messaging.models import IntentStatus
from apps.messaging.request import Request
from tests.reliability.search import participants
from tests.reliability.search.participants import Participants, request_of
from tests.reliability.search.states import (
    IN_FLIGHT,
    Letter,
    Numbered,
    OpenCall,
    StepRow,
    Taken,
    World,
)
from tests.sagas.scenarios import SAGA


class Work(NamedTuple):
    """What a worker may do: the row and the world then, and what is told."""

    text: str
    row: int
    world: int
    told: tuple[int, ...] = ()
    optional: bool = False


class Workers:
    """All workers. Rows, worlds and letters go by number."""

    def __init__(
        self,
        participants: Participants,
        rows: Numbered[StepRow],
        worlds: Numbered[World],
        *,
        leases: bool,
    ) -> None:
        self.participants = participants
        self.steps = participants.searched.steps
        self.letters: Numbered[Letter] = participants.letters
        self.rows = rows
        self.worlds = worlds
        self.leases = leases

    def moves(self, row: int, world: int, at: int) -> list[Work]:
        """What workers may do about one step's calls."""
        step = self.steps[at]
        found = []
        call = self.rows[row].call
        if call and may_be_claimed(call):
            found.append(self._claim(row, world, call))
        if call and call.lease and self.leases:
            lost = call._replace(lease=0, status=IntentStatus.UNKNOWN)
            now = self.rows.of(self.rows[row]._replace(call=lost))
            found.append(
                Work(f"no answer comes to the call of {step}", now, world, (), optional=True)
            )
        for each in sorted(self.worlds[world]):
            if each.step == step and (told := answer_of(each)):
                found += self._records(row, world, each, told)
        return found

    def _claim(self, row: int, world: int, call: OpenCall) -> Work:
        step = call.request.step
        now, key = self.participants.claimed(call)
        known = self.worlds[world]
        if all(each.key != key for each in known):
            gives_back = call.request.action is Action.UNDO
            known |= {Taken(key, step, gives_back, IN_FLIGHT)}
        claimed = self.rows.of(self.rows[row]._replace(call=now))
        kind = f"{call.request.action}, generation {call.request.generation}"
        text = f"a worker claims the call of {step} ({kind})"
        return Work(text, claimed, self.worlds.of(known))

    def _records(self, row: int, world: int, known: Taken, told: str) -> Iterator[Work]:
        """Whoever has called under this key may record its answer, if it still holds the call."""
        call = self.rows[row].call
        for request, lease in callers(call, known):
            if not participants.holds(call, request, lease):
                continue
            change = self.participants.record(self.rows[row], request, told)
            says = "".join(f", says {self.letters[each]}" for each in change.told)
            before, after = self.rows[row].status, change.row.status
            key = known.key.removeprefix(f"{SAGA}-")
            text = f"a worker records that {key} is {told}"
            now = self.rows.of(change.row)
            yield Work(f"{text}: {before} -> {after}{says}", now, world, change.told)


def may_be_claimed(call: OpenCall) -> bool:
    """What the statement CLAIM asks for, at any time."""
    return call.status in (IntentStatus.DUE, IntentStatus.UNKNOWN)


def answer_of(known: Taken) -> str:
    """What a worker learns that asks under a key: nothing while it is not decided. However often
    a call fails or is cut off, it is only asked again, as in calls.carry_out."""
    return "" if known.status == IN_FLIGHT else known.status


def callers(call: OpenCall | None, known: Taken) -> Iterator[tuple[Request, int]]:
    """Who may have called under a key: the worker that has the call now, and earlier ones."""
    action = Action.UNDO if known.gives_back else Action.DO
    generation = int(known.key.rpartition("-")[2].partition("/")[0])
    request = request_of(known.step, action, generation)
    if call:
        request = replace(request, mode=call.request.mode)
    if call and call.lease and call.request == request:
        yield request, call.lease
    yield request, 0
