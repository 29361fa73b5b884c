"""What commands for people have in common: who acts, and whether they are sure."""

import getpass
import json
import os
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, CommandParser
from django.core.management.base import OutputWrapper

from apps.messaging.audit import Actor, checked_reason
from apps.messaging.errors import MessagingError, sentence_of

MOST = 1000  # of anything in one list
MORE = f"There are more: see them with --limit, up to {MOST}."


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


def add_limit(parser: CommandParser, default: int | None, help: str) -> None:
    """How many: asked for where there is no default."""
    shown = f"{help} ({default})" if default else help
    parser.add_argument(
        "--limit", type=limit, required=default is None, default=default, metavar="N", help=shown
    )


def limit(text: str) -> int:
    """An argparse type."""
    if not (re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= MOST):
        shown = text if len(text) < 30 else f"{text[:30]}…"
        raise ArgumentTypeError(f"a whole number from 1 to {MOST}, not {shown!r}")
    return int(text)


def id_shown_by(where: str) -> Callable[[str], UUID]:
    """An argparse type: an id, with advice where such ids are to be found."""

    def id(text: str) -> UUID:
        try:
            return UUID(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is no id; {where} shows ids.") from None

    return id


def why_refused(refusal: Exception) -> str:
    """A refusal for people: its sentence, and behind it what else it tells, in words."""
    if not isinstance(refusal, MessagingError):
        return str(refusal)
    sentence = sentence_of(refusal)
    told = {name: in_a_line(str(value)) for name, value in vars(refusal).items()}
    facts = [f"{name.replace('_', ' ')}: {value}" for name, value in told.items() if value]
    return f"{sentence} ({'; '.join(facts)})" if facts else sentence


def check_texts(options: Mapping[str, Any]) -> None:
    """Raises CommandError for what a terminal sent that is no text: no database could keep it."""
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and not _is_text(each):
                shown = "--as" if name == "actor" else f"--{name}"
                raise CommandError(f"{shown} has bytes that are no text: write it in UTF-8.")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # Python keeps such bytes as surrogates
        return False
    return True


def signed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Who acts, and why. Raises CommandError without a reason or for an unknown user, and
    ReasonMissing where the reason has no words."""
    if not options["reason"]:
        raise CommandError("Say why, with --reason: whoever reads the audit later must understand.")
    return {"actor": actor_named(options["actor"]), "reason": checked_reason(options["reason"])}


def actor_named(username: str | None) -> Actor:
    """The user of that name; without one, the user of the operating system. Raises CommandError
    where that is no active member of staff."""
    if not username:
        return Actor(None, f"terminal:{terminal_user()}")
    return _staff(username, "acts; or leave out --as")


def owner_named(username: str) -> Actor:
    """The user of that name, who is to own something. Raises CommandError where that is no active
    member of staff."""
    if not username.strip():
        raise CommandError("Say whose the case is: name somebody who may log in to the admin.")
    return _staff(username, "owns a case")


def _staff(username: str, does: str) -> Actor:
    only = f"only who may log in to the admin {does}."
    users = get_user_model()
    try:
        user = users.objects.get_by_natural_key(username)
    except users.DoesNotExist as error:
        raise CommandError(f"There is no user {username!r}: {only}") from error
    except ImproperlyConfigured as error:
        raise CommandError(
            "The database of users is not configured here (DATABASE_URL_DEFAULT), so nobody can be"
            f" named: {only}"
        ) from error
    if not (user.is_active and user.is_staff):
        raise CommandError(f"{username!r} is no active member of staff: {only}")
    return Actor(user.pk, user.get_username())


def terminal_user() -> str:
    """The operating system's name for whoever runs this; its number where it has none."""
    try:
        return getpass.getuser().encode("utf-8", "backslashreplace").decode()
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


def moment(at: datetime | None) -> str:
    """Date and time, for people; empty where there is none."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""


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
