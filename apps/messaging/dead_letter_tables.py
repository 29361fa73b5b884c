"""Dead letters as a terminal shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

from apps.messaging.dead_letter_edits import masked
from apps.messaging.dead_letter_previews import GroupPreview, Preview
from apps.messaging.dead_letter_rows import Group, ParkedLetter
from apps.messaging.terminal import harmless, in_a_line, moment

LONGEST_HEADER = 200  # characters that are shown


def as_json(context: str, letter: ParkedLetter) -> dict[str, Any]:
    """A letter as plain values, with the fields of its payload only."""
    hidden = {"payload", "edited_payload", "headers", "edited_headers"}
    plain = {
        name: value if isinstance(value, str | int | None) else _text(value)
        for name, value in letter._asdict().items()
        if name not in hidden
    }
    return {"context": context, **plain}


def print_letters(console: Console, letters: Sequence[tuple[str, ParkedLetter]]) -> None:
    """Two lines for each: ids in one piece, to be copied, however narrow the terminal."""
    for context, each in letters:
        _print(console, f"{each.id}  {each.status}  {moment(each.parked_at)}")
        asked = f"{each.step} {each.action}".strip()
        _print(console, f"    {context}: {_failure(each, asked)}")
    if not letters:
        _print(console, "There is none.")


def print_groups(console: Console, groups: Sequence[Group]) -> None:
    """Three lines for each."""
    for each in groups:
        seen = f"{moment(each.first_seen)} to {moment(each.last_seen)}"
        _print(console, f"{each.fingerprint}  {each.parked} parked  {seen}")
        _print(console, f"    {_failure(each, each.step)}")
        _print(console, f"    for example {each.example}")
    if not groups:
        _print(console, "There is none.")


def _failure(found: ParkedLetter | Group, asked: str) -> str:
    """What failed, and why; only what it is, where it waits and has not failed."""
    what = f"{found.type or 'unreadable'} ({asked})" if asked else found.type or "unreadable"
    why = f", {found.error_type}: {in_a_line(found.error)}" if found.error_type else ""
    return what + why


def print_letter(console: Console, context: str, letter: ParkedLetter) -> None:
    """All of one, its payload by its fields only."""
    for name, value in as_json(context, letter).items():
        if value not in (None, ""):
            _print(console, f"{name:>16}  {value}")
    for name, value in letter.sent_headers.items():
        _print(console, f"{'header':>16}  {name}: {_beginning(value)}")
    _print(console, f"{'payload':>16}  {masked(letter.sent_payload)}")


def print_preview(console: Console, preview: Preview) -> None:
    """What would become of one."""
    of = f" of saga {preview.saga_id}" if preview.saga_id else ""
    asked = f"{preview.action} {preview.step}".strip()
    _print(console, f"{preview.type or 'unreadable'} ({asked}){of} in {preview.context}")
    _print(console, f"failed with {preview.error}")
    if preview.edited_by:
        _print(console, f"corrected by {preview.edited_by}: the correction is sent")
    for change in preview.changes:
        _print(console, f"changes {change}")
    for line in preview.consequences:
        _print(console, line)
    for each in preview.behind:
        _print(console, f"behind it: {each.type} ({each.step}), {each.id}")
    _print_warnings(console, preview.warnings)


def print_group_preview(console: Console, preview: GroupPreview) -> None:
    """What would become of those that are sent."""
    count, parked = len(preview.letters), preview.parked
    _print(console, f"{count} of {parked} parked messages in {preview.context} are sent again:")
    for each in preview.letters:
        _print(console, f"{each.letter_id}  {each.type} ({each.action} {each.step})")
    _print_warnings(console, preview.warnings)


def shown(text: str) -> str:
    """A text as it is, for rich: neither markup nor control characters."""
    return escape(harmless(text))


def _print_warnings(console: Console, warnings: Sequence[str]) -> None:
    for warning in warnings:
        console.print(f"Warning: {shown(warning)}", style="yellow", highlight=False)


def _print(console: Console, line: str) -> None:
    console.print(shown(line), highlight=False, soft_wrap=True)


def _text(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def _beginning(text: str) -> str:
    if len(text) <= LONGEST_HEADER:
        return text
    return f"{text[:LONGEST_HEADER]} … {len(text)} characters"
