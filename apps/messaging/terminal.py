"""What commands for people have in common: who acts, and whether they are sure."""

import getpass
import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import CommandError, CommandParser

from apps.messaging.audit import Actor


def add_acting(parser: CommandParser) -> None:
    """The options of every command that changes something."""
    parser.add_argument("--reason", required=True, help="why; kept in the audit")
    parser.add_argument("--as", dest="actor", default="", metavar="USER", help="who acts")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def actor_named(name: str) -> Actor:
    """The user of that name; without a name, whoever sits at the terminal."""
    if not name:
        return Actor(None, f"terminal:{getpass.getuser()}")
    users = get_user_model()
    try:
        user = users.objects.get_by_natural_key(name)
    except users.DoesNotExist:
        raise CommandError(f"There is no user {name!r}; name one, or leave out --as.") from None
    return Actor(user.pk, user.get_username())


def confirm(text: str, *, yes: bool) -> None:
    """Ask whether to go on. Raises CommandError where the answer is not yes."""
    if yes:
        return
    try:
        answer = input(f"{text} [y/N] ")
    except EOFError:
        raise CommandError("Nobody is there to confirm; nothing was done. Add --yes.") from None
    if answer.strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing was done.")


def as_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows in columns, as wide as they need to be."""
    cells = [list(map(str, row)) for row in (headers, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(headers))]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def as_json(document: Mapping[str, Any] | Sequence[Any]) -> str:
    """For machines."""
    return json.dumps(document, indent=2, default=str)
