"""The engine takes a saga over after each of its events, whatever the tracker has heard of them.

Of each saga some events were told. The tracker was stopped after the first of them, or before the
last one; the last one is held back: nobody gets it before the engine has taken over, or before the
saga has ended.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

import pytest
from msgspec.structs import replace

from apps.contracts.sagas import Outcome
from apps.messaging.database import Database
from apps.processes.course import Course
from apps.sagas import operations, taking_over
from apps.sagas.asking import turn_back
from apps.sagas.errors import MoveNotAllowed
from apps.sagas.state import Cause, Decision, SagaState
from tests.kinds import KINDS, Kind
from tests.reliability.by_hand.platform import ByHand
from tests.reliability.simulation import simulation
from tests.reliability.simulation.harness import Owners
from tests.reliability.simulation.patches import attribute
from tests.reliability.simulation.people import ACTOR, live
from tests.reliability.simulation.simulation import LONGEST_WAIT, Broken

CONFIRMED, UNDONE = str(Outcome.CONFIRMED), str(Outcome.UNDONE)
ENDS = "SELECT saga_id, status, driver FROM sagas_saga"


class Case(NamedTuple):
    """Where a saga stands when it is taken over."""

    kind: Kind
    events: tuple[str, ...]  # that were told
    known: int  # how many of them the tracker has heard
    late: bool  # whether the last of them comes after the end

    def __str__(self) -> str:
        last = f"{self.events[-1]} {'after the end' if self.late else 'held back'}"
        return f"{self.kind}: {self.known} of {len(self.events)} events known, {last}"


# --- who takes over


def watchdog_asks_again(platform: ByHand) -> None:
    platform.let_watch(LONGEST_WAIT)


def watchdog_turns_back(platform: ByHand) -> None:
    platform.let_watch(4000)


def operator_compensates(platform: ByHand) -> None:
    platform.act(platform.desk, "compensates all", compensate_all)


def operator_retries(platform: ByHand) -> None:
    platform.act(platform.desk, "retries all", retry_all)


def compensate_all() -> None:
    """All that lives, as far as it can be compensated."""
    for saga in live():
        with suppress(MoveNotAllowed):  # where the pivot is known to have happened
            operations.compensate_saga(
                saga_id=saga.saga_id, version=saga.version, actor=ACTOR, reason="test"
            )


def retry_all() -> None:
    """The awaited step of all that lives."""
    for saga in live():
        assert saga.step
        operations.retry_step(
            saga_id=saga.saga_id, step=saga.step, version=saga.version, actor=ACTOR, reason="test"
        )


# --- the sagas


def cases(platform: ByHand, kind: Kind, *, full: bool) -> Iterator[Case]:
    """All points of such sagas, with all or some of what the tracker may have heard until then."""
    events = tuple(each.type for each in platform.undisturbed(kind))
    for told in range(2, len(events) + 1):
        for known in range(1, told) if full else sorted({1, told - 1}):
            yield from (Case(kind, events[:told], known, late) for late in (False, True))


def take_all_over(
    platform: ByHand, sagas: dict[UUID, Case], take_over: Callable[[ByHand], None]
) -> None:
    """Bring each saga to where it stands, take over, and deliver all that there is."""
    office = platform.broker
    platform.drain()
    with platform.deaf("sagas"):
        for saga_id, case in sagas.items():
            if case.known + 1 < len(case.events):
                office.release(saga_id, hold=len(case.events))
        platform.drain()
        held = {saga_id: office.holds(saga_id) for saga_id in sagas}
        assert held == {saga_id: case.events[-1] for saga_id, case in sagas.items()}
        take_over(platform)
    platform.deliver({saga_id: case.late for saga_id, case in sagas.items()})


def expected(case: Case, take_over: object) -> tuple[set[str], str]:
    """How a saga may end, and who drives it then."""
    captured = "PaymentCaptured" in case.events
    stays = "PaymentCaptured" in case.events[: case.known] and take_over is operator_compensates
    driver = "events" if stays else "engine"
    if case.kind.refused:
        return {UNDONE}, driver
    if captured or take_over in FORWARD:
        return {CONFIRMED}, driver
    return ({UNDONE} if case.late else {UNDONE, CONFIRMED}), driver  # where Fence and event race


def check(
    world: Owners,
    take_over: Callable[[ByHand], None],
    kinds: Iterable[Kind] = KINDS,
    *,
    full: bool = False,
) -> Counter[str]:
    """Take sagas over at all points; how many ended how."""
    with ByHand().at_work(world, percent=100) as platform:
        found = [case for kind in kinds for case in cases(platform, kind, full=full)]
        sagas = {platform.order(each.kind, str(each), hold=each.known + 1): each for each in found}
        take_all_over(platform, sagas, take_over)
        ends = {saga_id: end for saga_id, *end in Database("sagas").fetch(ENDS)}
        for saga_id, case in sagas.items():
            status, driver = ends[saga_id]
            statuses, driven = expected(case, take_over)
            assert (status in statuses, driver) == (True, driven), f"{case}: {status} by {driver}"
        assert len(sagas) > 50
        return Counter(f"{ends[saga_id][0]} by {ends[saga_id][1]}" for saga_id in sagas)


FORWARD = (watchdog_asks_again, operator_retries)
TAKING_OVER = (*FORWARD, watchdog_turns_back, operator_compensates)


@pytest.mark.parametrize("take_over", TAKING_OVER)
def test_a_saga_that_is_taken_over_anywhere_ends_and_everything_adds_up(
    world: Owners, take_over: Callable[[ByHand], None]
) -> None:
    check(world, take_over)


@pytest.mark.campaign
@pytest.mark.parametrize("take_over", TAKING_OVER)
def test_it_does_whatever_the_tracker_has_heard(
    world: Owners, take_over: Callable[[ByHand], None]
) -> None:
    check(world, take_over, full=True)


def fence_nothing(
    course: Course, saga: SagaState, cause: Cause, *, by_hand: bool = False
) -> Decision:
    """Undo every step before the pivot, without asking the pivot first."""
    assert saga.pending
    last = course.legs[course.pivot].previous
    return turn_back(course, replace(saga, cause=cause), last, saga.pending)


def undo_what_is_known(
    course: Course, saga: SagaState, cause: Cause, *, by_hand: bool = False
) -> Decision:
    """Undo the steps that the tracker has heard of, and no others."""
    assert saga.pending
    return turn_back(course, replace(saga, cause=cause), saga.pending.step, saga.pending)


@pytest.mark.parametrize("mistake", [fence_nothing, undo_what_is_known])
def test_a_mistake_in_turning_back_is_noticed(
    world: Owners, mistake: Callable[..., Decision]
) -> None:
    with (
        attribute(taking_over, "fence", mistake),
        attribute(simulation, "ROUNDS", 3),  # what does not end by then never does
        pytest.raises((Broken, AssertionError)),
    ):
        check(world, operator_compensates, KINDS[:1])
