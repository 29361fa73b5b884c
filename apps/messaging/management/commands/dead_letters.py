"""Parked messages from a terminal: look at them, send them again, correct them, give them up."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import django.db
import psycopg
from django.core.management import BaseCommand, CommandError, CommandParser
from rich.console import Console

from apps.messaging import dead_letter_operations as operations
from apps.messaging import dead_letter_tables as tables
from apps.messaging.context import context_name, contexts
from apps.messaging.database import Database
from apps.messaging.dead_letter_rows import find, groups, list_letters
from apps.messaging.errors import MessagingError
from apps.messaging.failpoints import arm
from apps.messaging.models import ParkedStatus
from apps.messaging.relay import relay
from apps.messaging.terminal import (
    add_acting,
    add_limit,
    add_signature,
    as_json,
    check_texts,
    confirm,
    harmless,
    signed,
    why_refused,
)

Options = dict[str, Any]


class Command(BaseCommand):
    help = (
        "Look at parked messages, send them again, correct them or give them up. What acts shows "
        "first what it would do, asks, and is written down with its reason."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True, metavar="WHAT")

        def add(name: str, help: str, run: Callable[[Options], None]) -> CommandParser:
            added = commands.add_parser(name, help=help, description=help)
            added.set_defaults(run=run)
            return added

        self._add_looking(add)
        self._add_acting(add)

    def _add_looking(self, add: Callable[..., CommandParser]) -> None:
        listed = add("list", "the newest letters", self.list)
        listed.add_argument("--context", type=context_name, help="of one context only")
        listed.add_argument("--status", choices=ParkedStatus.values, default="", help="of one only")
        add_limit(listed, 100, "how many of each context")
        listed.add_argument("--json", action="store_true", help="as JSON, and only it")
        shown = add("show", "one letter; of its payload the fields only", self.show)
        add_letter(shown)
        add_signature(shown)
        shown.add_argument(
            "--payload", action="store_true", help="all of it: needs a reason, is written down"
        )
        add_context(add("groups", "parked messages by how they failed", self.groups))

    def _add_acting(self, add: Callable[..., CommandParser]) -> None:
        again = add("replay", "send one again", self.replay)
        edited = add("edit", "correct one and send it again", self.edit)
        edited.add_argument("--payload", required=True, metavar="FILE", help="the corrected JSON")
        edited.add_argument(
            "--header", action="append", default=[], metavar="NAME=VALUE", help="to correct, too"
        )
        given_up = add("discard", "give one up", self.discard)
        several = add("replay-group", "send several again that failed alike", self.replay_group)
        add_context(several)
        several.add_argument("fingerprint")
        add_limit(several, None, "how many: 1, then 10, …")
        for each in (again, edited, given_up):
            add_letter(each)
        for each in (again, edited, given_up, several):
            add_acting(each)

    def handle(self, *args: Any, **options: Any) -> None:
        arm()
        check_texts(options)
        self.console = Console()
        try:
            options["run"](options)
        except MessagingError as error:
            raise CommandError(why_refused(error)) from error
        except (psycopg.OperationalError, django.db.OperationalError) as error:
            raise CommandError(f"The database does not answer: {error}. Is it up?") from error

    # --- looking

    def list(self, options: Options) -> None:
        asked = [options["context"]] if options["context"] else [each.label for each in contexts()]
        status, limit = options["status"], options["limit"]
        found = [
            (name, letter)
            for name in asked
            for letter in list_letters(Database(name), status=status, limit=limit)
        ]
        if options["json"]:
            self.stdout.write(as_json([tables.as_json(*each) for each in found]))
        else:
            tables.print_letters(self.console, found)

    def show(self, options: Options) -> None:
        context, letter_id = options["context"], letter_id_in(options)
        letter = find(Database(context), letter_id)
        tables.print_letter(self.console, context, letter)
        if options["payload"]:
            payload = operations.reveal_payload(
                context=context, letter_id=letter_id, **signed(options)
            )
            self.stdout.write(harmless(payload.decode("utf-8", "backslashreplace")))

    def groups(self, options: Options) -> None:
        tables.print_groups(self.console, groups(context=options["context"]))

    # --- acting

    def replay(self, options: Options) -> None:
        which = named(options)
        preview = operations.preview_replay(**which)
        act = partial(operations.replay_letter, **which, version=preview.version)
        self._act_on_one(options, preview, act)

    def edit(self, options: Options) -> None:
        which = {
            **named(options),
            "payload": content_of(options["payload"]),
            "headers": headers_in(options["header"]),
        }
        preview = operations.preview_edit(**which)
        act = partial(operations.edit_and_replay, **which, version=preview.version)
        self._act_on_one(options, preview, act)

    def discard(self, options: Options) -> None:
        which = named(options)
        preview = operations.preview_discard(**which)
        act = partial(operations.discard_letter, **which, version=preview.version)
        self._act_on_one(options, preview, act)

    def replay_group(self, options: Options) -> None:
        which = {name: options[name] for name in ("context", "fingerprint", "limit")}
        tables.print_group_preview(self.console, operations.preview_group(**which))
        by = signed(options)
        self._ask(options)
        for each in operations.replay_group(**which, **by):
            self.stdout.write(f"{each.letter_id}: {each.text}")
        relay(options["context"]).send_off()

    def _act_on_one(
        self,
        options: Options,
        preview: operations.Preview,
        act: Callable[..., operations.Outcome],
    ) -> None:
        tables.print_preview(self.console, preview)
        by = signed(options)
        self._ask(options)
        self.stdout.write(f"{preview.letter_id}: {act(**by).text}")
        relay(preview.context).send_off()
        self.stdout.write(
            f"See what comes of it: manage.py dead_letters show {preview.context}"
            f" {preview.letter_id}"
        )

    def _ask(self, options: Options) -> None:
        confirm("Do it?", yes=options["yes"], out=self.stdout)


def add_context(parser: CommandParser) -> None:
    parser.add_argument("context", type=context_name, help="one that is installed here")


def add_letter(parser: CommandParser) -> None:
    add_context(parser)
    parser.add_argument("id")


def named(options: Options) -> Options:
    """Which letter."""
    return {"context": options["context"], "letter_id": letter_id_in(options)}


def letter_id_in(options: Options) -> UUID:
    try:
        return UUID(options["id"])
    except ValueError as error:
        given = options["id"]
        raise CommandError(f"{given!r} is no id: take one from `dead_letters list`.") from error


def content_of(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read ({error.strerror}): name a file with the corrected JSON."
        ) from error


def headers_in(given: list[str]) -> dict[str, str]:
    for each in given:
        if "=" not in each:
            raise CommandError(f"--header {each} says no value: write it as NAME=VALUE.")
    return dict(each.split("=", 1) for each in given)
