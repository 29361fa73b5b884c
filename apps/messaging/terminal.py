"""What commands for people have in common: who acts, and whether they are sure."""

import getpass
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, CommandParser
from django.core.management.base import OutputWrapper

from apps.messaging.audit import Actor, checked_reason


def add_acting(parser: CommandParser) -> None:
    """The options of every command that changes something."""
    add_signature(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def add_signature(parser: CommandParser) -> None:
    """The options of what is written down: who does it, and why."""
    parser.add_argument("--reason", default="", help="why; kept in the audit")
    parser.add_argument(
        "--as", dest="actor", default="", metavar="USER", help="who acts; else the terminal's user"
    )


def signed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Who acts, and why. Raises CommandError without a reason or for an unknown user, and
    ReasonMissing where the reason has no words."""
    if not options["reason"]:
        raise CommandError("Say why, with --reason: whoever reads the audit later must understand.")
    return {"actor": actor_named(options["actor"]), "reason": checked_reason(options["reason"])}


def actor_named(username: str | None) -> Actor:
    """The user of that name; without one, the user of the operating system. Raises CommandError."""
    if not username:
        return Actor(None, f"terminal:{terminal_user()}")
    users = get_user_model()
    try:
        user = users.objects.get_by_natural_key(username)
    except users.DoesNotExist as error:
        raise CommandError(
            f"There is no user {username!r}. Name one that can log in to the admin, or leave out"
            " --as."
        ) from error
    except ImproperlyConfigured as error:
        raise CommandError(
            "The database of users is not configured here (DATABASE_URL_DEFAULT): leave out --as."
        ) from error
    return Actor(user.pk, user.get_username())


def terminal_user() -> str:
    """The operating system's name for whoever runs this; its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return str(os.getuid())


def confirm(text: str, *, yes: bool, out: OutputWrapper) -> None:
    """Ask whether to go on. Raises CommandError where the answer is not yes."""
    if yes:
        return
    out.write(f"{text} [y/N] ", ending="")
    out.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was done. Answer y, or add --yes, to do it.")


def as_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows in columns, as wide as they need to be, a line each."""
    cells = [[in_a_line(str(cell)) for cell in row] for row in (headers, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(headers))]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def harmless(text: str) -> str:
    """Without control characters: what others wrote may have any, and a terminal would obey."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def in_a_line(text: str) -> str:
    """Harmless, and without line breaks."""
    return " ".join(harmless(text).split())


def as_json(document: Mapping[str, Any] | Sequence[Any]) -> str:
    """For machines."""
    return json.dumps(document, indent=2, default=str)
