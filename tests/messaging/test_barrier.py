"""The barrier's table, cell by cell: pure."""

import pytest
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.barrier import TABLE, Decision, Row, Status, decide
from apps.messaging.request import Request

COMMAND, EVENT = Mode.ORCHESTRATED, Mode.CHOREOGRAPHED


def asked(action: Action, mode: Mode = COMMAND, generation: int = 2) -> Request:
    return Request(uuid7(), "reserve_stock", action, generation, mode)


@pytest.mark.parametrize(
    ("status", "action", "mode", "expected"),
    [
        (None, Action.DO, COMMAND, Decision.RUN),
        (None, Action.DO, EVENT, Decision.RUN),
        (None, Action.UNDO, COMMAND, Decision.BURY),
        (None, Action.UNDO, EVENT, Decision.BURY),
        (Status.DONE, Action.DO, COMMAND, Decision.ANSWER_AGAIN),
        (Status.DONE, Action.DO, EVENT, Decision.DUPLICATE),
        (Status.DONE, Action.UNDO, COMMAND, Decision.UNDO),
        (Status.DONE, Action.UNDO, EVENT, Decision.UNDO),
        (Status.REFUSED, Action.DO, COMMAND, Decision.ANSWER_AGAIN),
        (Status.REFUSED, Action.DO, EVENT, Decision.DUPLICATE),
        (Status.REFUSED, Action.UNDO, COMMAND, Decision.BURY),
        (Status.REFUSED, Action.UNDO, EVENT, Decision.BURY),
        (Status.UNDONE, Action.DO, COMMAND, Decision.LATE),
        (Status.UNDONE, Action.DO, EVENT, Decision.LATE),
        (Status.UNDONE, Action.UNDO, COMMAND, Decision.ANSWER_AGAIN),
        (Status.UNDONE, Action.UNDO, EVENT, Decision.DUPLICATE),
        (Status.TOMBSTONE, Action.DO, COMMAND, Decision.LATE),
        (Status.TOMBSTONE, Action.DO, EVENT, Decision.LATE),
        (Status.TOMBSTONE, Action.UNDO, COMMAND, Decision.ANSWER_AGAIN),
        (Status.TOMBSTONE, Action.UNDO, EVENT, Decision.DUPLICATE),
    ],
)
def test_a_request_of_the_row_s_generation(
    status: Status | None, action: Action, mode: Mode, expected: Decision
) -> None:
    row = Row(status, 2) if status else None
    assert decide(row, asked(action, mode)) is expected


@pytest.mark.parametrize("status", [Status.DONE, Status.REFUSED, Status.UNDONE, Status.TOMBSTONE])
def test_an_action_of_a_lower_generation_is_late_whatever_the_row_says(status: Status) -> None:
    assert decide(Row(status, 3), asked(Action.DO, generation=2)) is Decision.LATE


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.REFUSED, Decision.RUN),  # a retry after a definite refusal
        (Status.DONE, Decision.ANSWER_AGAIN),  # the outcome stands for every later generation
        (Status.UNDONE, Decision.LATE),  # a compensation closes the step for all generations
        (Status.TOMBSTONE, Decision.LATE),
    ],
)
def test_an_action_of_a_higher_generation(status: Status, expected: Decision) -> None:
    assert decide(Row(status, 1), asked(Action.DO, generation=2)) is expected


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_a_compensation_does_not_look_at_the_generation(generation: int) -> None:
    assert decide(Row(Status.DONE, 2), asked(Action.UNDO, generation=generation)) is Decision.UNDO


def test_every_cell_without_intents_and_fence_is_in_the_table() -> None:
    built = {None, Status.DONE, Status.REFUSED, Status.UNDONE, Status.TOMBSTONE}
    assert set(TABLE) == {(row, each) for row in built for each in (Action.DO, Action.UNDO)}
