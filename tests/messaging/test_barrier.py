"""The barrier's table, cell by cell: pure."""

import pytest
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.barrier import (
    TABLE,
    Decision,
    Intent,
    Row,
    Status,
    decide,
    decide_by_hand,
    why_not_recorded,
)
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


# --- open outside calls


def row(status: Status, generation: int = 2, **intent: object) -> Row:
    return Row(status, generation, Intent(generation, **intent))  # type: ignore[arg-type]


TRIED = {"tried": True}


@pytest.mark.parametrize(
    ("found", "action", "expected"),
    [
        (row(Status.DOING), Action.DO, Decision.WAKE),
        (row(Status.DOING, **TRIED), Action.DO, Decision.WAKE),
        (row(Status.DOING), Action.UNDO, Decision.WITHDRAW),
        (row(Status.DOING, **TRIED), Action.UNDO, Decision.UNDO_LATER),
        (row(Status.DOING, tried=True, undo_requested=True), Action.UNDO, Decision.WAKE),
        (row(Status.DOING), Action.FENCE, Decision.WITHDRAW),
        (row(Status.DOING, **TRIED), Action.FENCE, Decision.TELL_LATER),
        (row(Status.UNDOING), Action.DO, Decision.LATE),
        (row(Status.UNDOING, **TRIED), Action.UNDO, Decision.WAKE),
        (row(Status.UNDOING, refused=True, tried=True), Action.UNDO, Decision.ANSWER_AGAIN),
        (row(Status.UNDOING, **TRIED), Action.FENCE, Decision.WAKE),
    ],
)
def test_a_request_that_meets_an_outside_call(
    found: Row, action: Action, expected: Decision
) -> None:
    assert decide(found, asked(action)) is expected


@pytest.mark.parametrize(
    ("found", "generation", "expected"),
    [
        (row(Status.UNDOING), 3, Decision.UNDO),  # never called: replaced
        (row(Status.UNDOING, refused=True, tried=True), 3, Decision.UNDO),  # a definite no
        (row(Status.UNDOING, **TRIED), 3, Decision.WAKE),  # it may be under way: wait for it
        (row(Status.UNDOING), 1, Decision.LATE),
        (row(Status.UNDOING, refused=True, tried=True), 1, Decision.LATE),
    ],
)
def test_a_compensation_of_another_generation_meets_an_undo(
    found: Row, generation: int, expected: Decision
) -> None:
    assert decide(found, asked(Action.UNDO, generation=generation)) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, Decision.BURY),
        (Status.DONE, Decision.ANSWER_AGAIN),  # "happened", with the stored outcome
        (Status.REFUSED, Decision.BURY),
        (Status.UNDONE, Decision.ANSWER_AGAIN),
        (Status.TOMBSTONE, Decision.ANSWER_AGAIN),
    ],
)
def test_a_fence(status: Status | None, expected: Decision) -> None:
    found = Row(status, 2) if status else None
    assert decide(found, asked(Action.FENCE)) is expected


@pytest.mark.parametrize(
    ("found", "leased", "expected"),
    [
        (row(Status.DOING), False, Decision.RECORD),
        (row(Status.DOING, **TRIED), False, Decision.RECORD),
        (row(Status.DOING, **TRIED), True, Decision.NOT_RECORDED),  # a worker has it in hand
        (row(Status.UNDOING), False, Decision.NOT_RECORDED),
        (Row(Status.DONE, 2), False, Decision.ANSWER_AGAIN),
        (Row(Status.REFUSED, 2), False, Decision.NOT_RECORDED),
        (Row(Status.UNDONE, 2), False, Decision.NOT_RECORDED),
        (Row(Status.TOMBSTONE, 2), False, Decision.NOT_RECORDED),
        (None, False, Decision.NOT_RECORDED),
    ],
)
def test_a_person_records_that_a_call_happened(
    found: Row | None, leased: bool, expected: Decision
) -> None:
    assert decide_by_hand(found, leased=leased) is expected
    if expected is Decision.NOT_RECORDED:
        assert why_not_recorded(found)


def test_every_status_is_in_the_table() -> None:
    assert set(TABLE) == {None, *Status}
