"""What others wrote does nothing to a terminal, nor to the lines of a table."""

from argparse import ArgumentTypeError
from uuid import UUID

import pytest

from apps.messaging.errors import LetterMoved
from apps.messaging.terminal import as_table, harmless, id_shown_by, why_refused


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert harmless("\x1b[2Jgone\ttab\nline\x9b") == "\\x1b[2Jgone\ttab\nline\\x9b"


def test_a_row_stays_a_line() -> None:
    table = as_table(("case", "reason"), [("1", "two\nlines \x07"), ("22", "no more")])
    assert table.splitlines() == ["case  reason", "1     two lines \\x07", "22    no more"]


def test_a_refusal_is_words_and_what_else_it_tells_is_no_code() -> None:
    told = "The parked message has changed since you looked at it. Look at it again, then decide."
    assert why_refused(LetterMoved(given=" ", owner="")) == told
    moved = LetterMoved(seen_first=3, now=0, status="parked\x1b[2J")
    assert why_refused(moved) == f"{told} (seen first: 3; now: 0; status: parked\\x1b[2J)"
    assert why_refused(ValueError("It has ended.")) == "It has ended."


def test_what_is_no_id_is_told_where_there_are_some() -> None:
    id = UUID(int=7)
    assert id_shown_by("the list")(str(id)) == id
    with pytest.raises(ArgumentTypeError, match="'nope' is no id; the list shows ids"):
        id_shown_by("the list")("nope")
