"""Sagas from a terminal: look, and act by the same services as every other door."""

import re
from argparse import Namespace
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.messaging.display import money
from apps.messaging.failpoints import arm
from apps.messaging.relay import relay
from apps.messaging.terminal import (
    MORE,
    add_acting,
    add_limit,
    as_json,
    as_table,
    check_texts,
    confirm,
    in_a_line,
    owner_named,
    signed,
    why_refused,
)
from apps.sagas import operations, selectors
from apps.sagas.errors import REFUSALS
from apps.sagas.preview import Preview, preview
from apps.sagas.state import (
    Compensate,
    Move,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    Retry,
    Skip,
    Status,
    Substitute,
)

Act = Callable[..., int]

# For each action: what it does in a sentence, its further arguments, its service, its move.
ACTIONS: dict[str, tuple[str, tuple[str, ...], Act, Callable[[Namespace], Move]]] = {
    "retry": (
        "ask a step again now", ("step",),
        operations.retry_step, lambda given: Retry(given.step),
    ),
    "compensate": (
        "turn a saga back; at the pivot by a Fence", (),
        operations.compensate_saga, lambda given: Compensate(given.reason),
    ),
    "skip": (
        "go on without a step", ("step",),
        operations.skip_step, lambda given: Skip(given.step),
    ),
    "pause": (
        "send nothing for a while", ("until",),
        operations.pause_saga, lambda given: Pause(),
    ),
    "resume": (
        "end a pause", (),
        operations.resume_saga, lambda given: Resume(),
    ),
    "resolve": (
        "settle a stuck undo that was made by hand, outside", ("step", "evidence"),
        operations.resolve_step, lambda given: Resolve(given.step, given.evidence),
    ),
    "substitute": (
        "undo a stuck step in another way", ("step", "command"),
        operations.substitute_step, lambda given: Substitute(given.step, given.command),
    ),
    "record": (
        "record that a stuck step happened outside", ("step", "evidence"),
        operations.record_outcome, lambda given: RecordOutcome(given.step, given.evidence),
    ),
}  # fmt: skip

MEANING = {
    "step": "name of the step, reserve_stock",
    "until": "end of the pause: 90m, 4h, 2d, or a time like 2026-12-01T12:00+01:00",
    "evidence": "how it can be proven: a reference of the bank, a ticket",
    "command": "the substitute, CreditInstead",
}


class Command(BaseCommand):
    help = "Look at sagas, and retry, compensate, skip, pause or resolve them by hand."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
        _add_reading(commands)
        for name, (sentence, further, *_) in ACTIONS.items():
            action = commands.add_parser(name, help=sentence, description=sentence)
            action.add_argument("saga", metavar="ID", help="saga id or order id, in full")
            for argument in further:
                action.add_argument(argument, help=MEANING[argument])
            add_acting(action)
        _add_cases(commands)

    def handle(self, *args: Any, **options: Any) -> None:
        arm()
        check_texts(options)
        given = Namespace(**options)
        try:
            self._do(given)
        except REFUSALS as refusal:
            raise CommandError(why_refused(refusal)) from refusal

    def _do(self, given: Namespace) -> None:
        if given.what in ACTIONS:
            self._act(given)
        else:
            {
                "list": self._list, "show": self._show, "cases": self._cases,
                "assign": self._assign, "note": self._note, "close": self._close,
            }[given.what](given)  # fmt: skip

    # --- looking

    def _list(self, given: Namespace) -> None:
        found = selectors.newest(given.status, given.limit + 1)
        more, found = len(found) > given.limit, found[: given.limit]
        if given.json:
            self.stdout.write(as_json([each.as_json() for each in found]))
            return
        rows = [
            (each.saga_id, each.status, each.waits_for or "-", each.turned_back_at or "-",
             f"{each.started_at:%Y-%m-%d %H:%M:%S}", each.order_id)
            for each in found
        ]  # fmt: skip
        headers = ("saga", "status", "waits for", "turned back at", "started (UTC)", "order")
        self._write_table(headers, rows, more=more, none="There are no such sagas.")

    def _show(self, given: Namespace) -> None:
        found = selectors.whole(saga_id_of(given.saga))
        if given.json:
            self.stdout.write(as_json(found.as_json()))
            return
        for name, value in found.facts():
            self.stdout.write(f"{name:<16}{in_a_line(str(value))}")
        self.stdout.write("")
        headers = ("at (UTC)", "revision", "step", "action", "generation", "what", "")
        self.stdout.write(as_table(headers, found.timeline()))

    def _cases(self, given: Namespace) -> None:
        found = selectors.cases(open_only=not given.all, limit=given.limit + 1)
        more, found = len(found) > given.limit, found[: given.limit]
        if given.json:
            self.stdout.write(as_json([each.as_json() for each in found]))
            return
        rows = [each.as_row() for each in found]
        headers = ("case", "kind", "saga", "step", "since (UTC)", "owner", "closed by", "reason")
        self._write_table(headers, rows, more=more, none="The desk is empty.")

    def _write_table(
        self, headers: Sequence[str], rows: Sequence[Sequence[object]], *, more: bool, none: str
    ) -> None:
        self.stdout.write(as_table(headers, rows) if rows else none)
        if more:
            self.stdout.write(MORE)

    # --- acting

    def _act(self, given: Namespace) -> None:
        _, further, act, move_of = ACTIONS[given.what]
        saga_id, signature = saga_id_of(given.saga), signed(vars(given))
        arguments = {name: getattr(given, name) for name in further}
        if "until" in arguments:
            arguments["until"] = moment_of(given.until)
        if "evidence" in further:
            operations.proven(given.evidence)
        foreseen = preview(saga_id=saga_id, move=move_of(given))
        if not foreseen.allowed:
            raise CommandError(foreseen.why_not)
        self.stdout.write(in_words(foreseen))
        confirm(f"{given.what.capitalize()}?", yes=given.yes, out=self.stdout)
        act(saga_id=saga_id, version=foreseen.version, **signature, **arguments)
        relay("sagas").send_off()
        self.stdout.write(f"Done. {selectors.stands_at(saga_id)}")

    def _assign(self, given: Namespace) -> None:
        case = selectors.case(uuid_of(given.case, "sagas cases"))
        signature, owner = signed(vars(given)), owner_named(given.owner)
        confirm(f"Give the case of {case.step} to {owner.name}?", yes=given.yes, out=self.stdout)
        operations.assign_case(case_id=case.id, owner=owner, version=case.version, **signature)
        self.stdout.write(f"Done. {owner.name} owns the case.")

    def _note(self, given: Namespace) -> None:
        operations.add_note(case_id=uuid_of(given.case, "sagas cases"), **signed(vars(given)))
        self.stdout.write("Done. The note is kept with the case.")

    def _close(self, given: Namespace) -> None:
        case = selectors.case(uuid_of(given.case, "sagas cases"))
        signature = signed(vars(given))
        confirm(f"Close the case of {case.step}?", yes=given.yes, out=self.stdout)
        operations.close_case(case_id=case.id, version=case.version, **signature)
        self.stdout.write("Done. The case is closed.")


def _add_reading(commands: Any) -> None:
    listing = commands.add_parser("list", help="sagas, the newest first")
    statuses = [each.value for each in Status]
    listing.add_argument("--status", choices=statuses, default="", help="only these")
    add_limit(listing, 20, "how many")
    listing.add_argument("--json", action="store_true", help="for machines")
    showing = commands.add_parser("show", help="one saga with its timeline")
    showing.add_argument("saga", metavar="ID", help="saga id or order id, in full")
    showing.add_argument("--json", action="store_true", help="for machines")


def _add_cases(commands: Any) -> None:
    desk = commands.add_parser("cases", help="what stands on the desk, the oldest first")
    desk.add_argument("--all", action="store_true", help="settled ones too, the newest first")
    add_limit(desk, 100, "how many")
    desk.add_argument("--json", action="store_true", help="for machines")
    for name, sentence in (
        ("assign", "give a case to somebody"),
        ("note", "remark on a case"),
        ("close", "take a case off the desk that nothing else closes"),
    ):
        parser = commands.add_parser(name, help=sentence, description=sentence)
        parser.add_argument("case", metavar="CASE", help="id of the case, in full")
        if name == "assign":
            parser.add_argument("owner", help="name of a user")
        add_acting(parser)


def uuid_of(text: str, listed_by: str = "sagas list") -> UUID:
    """Raises CommandError, which names the command that lists such ids."""
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{text!r} is no id; `manage.py {listed_by}` shows ids.") from None


def saga_id_of(text: str) -> UUID:
    """The saga of a saga id or an order id. Raises CommandError."""
    named = uuid_of(text)
    found = selectors.saga_named(named)
    if found is None:
        raise CommandError(f"There is no saga or order {named}; `manage.py sagas list` shows some.")
    return found


def moment_of(text: str) -> datetime:
    """The end of a pause. Raises CommandError."""
    try:
        moment = _after(text) or parse_datetime(text)
    except (OverflowError, ValueError):  # the 13th month, or a million years
        moment = None
    if moment is None:
        shown = text if len(text) < 40 else f"{text[:40]}…"
        raise CommandError(f"{shown!r} is neither like 90m, 4h, 2d nor a time.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _after(text: str) -> datetime | None:
    """So much later than now; None where that is not what the text says."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    found = re.fullmatch("([0-9]+)([mhd])", text)
    return timezone.now() + timedelta(**{units[found[2]]: int(found[1])}) if found else None


def in_words(foreseen: Preview) -> str:
    """A preview for people."""
    lines = [f"The saga is {foreseen.status}, version {foreseen.version}."]
    if foreseen.asked_now:
        lines.append(f"Sent at once: {', '.join(foreseen.asked_now)}.")
    if foreseen.undone:
        condition = "If the pivot has not happened, undone" if foreseen.only_if_fenced else "Undone"
        steps = ", ".join(
            f"{each.step} (by {each.by})" if each.by else each.step for each in foreseen.undone
        )
        lines.append(f"{condition} in this order: {steps}.")
        at_most = (
            "at most " if any(each.at_most and each.money_cents for each in foreseen.undone) else ""
        )
        given_back = at_most + money(foreseen.money_cents, foreseen.currency)
        lines.append(f"Given back: {given_back}; put back: {foreseen.pieces} pieces.")
    if foreseen.follows:
        lines.append(f"It then only goes forward: {', '.join(foreseen.follows)}.")
    if foreseen.customer_is_told:
        lines.append(f"The customer reads {', and '.join(foreseen.customer_is_told)}.")
    return "\n".join([*lines, *foreseen.cannot_be_undone])
