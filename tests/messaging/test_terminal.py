"""What others wrote does nothing to a terminal, nor to the lines of a table."""

from apps.messaging.terminal import as_table, harmless


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert harmless("\x1b[2Jgone\ttab\nline\x9b") == "\\x1b[2Jgone\ttab\nline\\x9b"


def test_a_row_stays_a_line() -> None:
    table = as_table(("case", "reason"), [("1", "two\nlines \x07"), ("22", "no more")])
    assert table.splitlines() == ["case  reason", "1     two lines \\x07", "22    no more"]
