"""What people can do to a parked message in the admin, as data. Each act calls one service."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.contracts.topics import MOVE_MONEY
from apps.messaging import dead_letter_operations as operations
from apps.messaging.admin.acting import Act, Foreseen, Given, Outcome, Part
from apps.messaging.admin.letter_diff import as_sent, readable
from apps.messaging.admin.letter_words import STANDS, stands
from apps.messaging.database import Database
from apps.messaging.dead_letter_history import deeds, news_of
from apps.messaging.dead_letter_previews import Preview
from apps.messaging.dead_letter_rows import ParkedLetter
from apps.messaging.display import link, words
from apps.messaging.errors import NothingToReplay
from apps.messaging.models import DeadLetter, ParkedStatus

WRITTEN_DOWN = (
    "You are shown the payload, which may hold personal data: that you looked is written down,"
    " with your name and reason."
)
WAITS = "Waits behind it"
UNDER_WAY = (
    "It was sent again already, and nothing has come of it yet. If its consumer runs, wait for it"
    " rather than send it twice."
)


class Letter(NamedTuple):
    """A parked message: its row, the same as the services see it, and the context."""

    row: DeadLetter
    letter: ParkedLetter
    context: str


# --- what each would do


def foresee_replay(subject: Letter, choice: str) -> Foreseen:
    foreseen = _foreseen(subject, operations.preview_replay)
    remark = UNDER_WAY if foreseen.allowed and _under_way(subject) else ""
    return replace(foreseen, remark=remark, steps_up=subject.context in MOVE_MONEY)


def foresee_discard(subject: Letter, choice: str) -> Foreseen:
    return _foreseen(subject, operations.preview_discard)


def foresee_edit(subject: Letter, choice: str) -> Foreseen:
    """Its own pages show what a correction does; here only what comes first."""
    version = subject.letter.version
    if subject.letter.status != ParkedStatus.PARKED:
        return Foreseen(version, why_not=stands(subject.letter))
    then = "Then you correct it, check it, and send it. Nothing is sent before you have checked it."
    parts = [Part("What happens", [WRITTEN_DOWN, then])]
    return Foreseen(version, parts=parts, button="Show the payload and correct it")


def foresee_reveal(subject: Letter, choice: str) -> Foreseen:
    return Foreseen(subject.letter.version, parts=[Part("What happens", [WRITTEN_DOWN])])


def _under_way(subject: Letter) -> bool:
    database = Database(subject.context)
    done = deeds(database, subject.letter.id)
    news = news_of(database, subject.letter, done, timezone.now())
    return news is not None and news.more_to_come


def _foreseen(subject: Letter, preview_of: Callable[..., Preview]) -> Foreseen:
    try:
        preview = preview_of(context=subject.context, letter_id=subject.letter.id)
    except NothingToReplay as settled:
        status = getattr(settled, "status", subject.letter.status)
        return Foreseen(subject.letter.version, why_not=STANDS[ParkedStatus(status)])
    return Foreseen(preview.version, parts=parts_of(preview))


def parts_of(preview: Preview) -> list[Part]:
    """A preview for people."""
    behind = [
        format_html("{} ({})", letter_link(preview.context, each.id, each.type), words(each.step))
        for each in preview.behind
    ]
    consequences: list[object] = list(preview.consequences)
    if preview.edited_by:
        consequences.append(f"What {preview.edited_by} corrected is sent, not what was read.")
    return [
        Part("What happens", consequences),
        Part("Take care", preview.warnings),
        Part(WAITS, behind),
    ]


def letter_link(context: str, key: object, text: object) -> SafeString:
    """A link to the page of a parked message."""
    return link(f"{context}_deadletter", key, text)


# --- the deeds


def send(subject: Letter, given: Given) -> Outcome:
    done = operations.replay_letter(**_named(subject), **_signed(given), version=given.version)
    return _told(done)


def discard(subject: Letter, given: Given) -> Outcome:
    done = operations.discard_letter(**_named(subject), **_signed(given), version=given.version)
    return _told(done)


def edit(subject: Letter, given: Given) -> Outcome:
    done = operations.edit_and_replay(
        **_named(subject),
        **_signed(given),
        version=given.version,
        payload=as_sent(given.fields["payload"], subject.letter.sent_payload),
        headers=given.fields["headers"],
    )
    return _told(done)


def reveal(subject: Letter, given: Given) -> Outcome:
    """The payload itself: to be shown, and kept nowhere."""
    payload = operations.reveal_payload(**_named(subject), **_signed(given))
    return Outcome(readable(payload))


def _named(subject: Letter) -> dict:
    return {"context": subject.context, "letter_id": subject.letter.id}


def _signed(given: Given) -> dict:
    return {"actor": given.actor, "reason": given.reason}


def _told(done: operations.Outcome) -> Outcome:
    return Outcome(f"{done.text[:1].upper()}{done.text[1:]}.")


REPLAY = Act(
    name="replay",
    label="Replay",
    sentence="Sends the message again, as it is.",
    icon="replay",
    permission="replay_deadletter",
    preview=foresee_replay,
    carry_out=send,
)
EDIT = Act(
    name="edit",
    label="Correct and replay",
    sentence="Corrects the payload or some headers, and sends the message again. The original is"
    " kept beside the correction.",
    icon="edit",
    permission="edit_deadletter",
    steps_up=True,
    preview=foresee_edit,
    carry_out=edit,
)
DISCARD = Act(
    name="discard",
    label="Discard",
    sentence="Gives the message up: it is not sent again by itself.",
    icon="delete",
    permission="discard_deadletter",
    steps_up=True,
    dangerous=True,
    preview=foresee_discard,
    carry_out=discard,
)
REVEAL = Act(
    name="reveal",
    label="Show the payload",
    sentence="Shows all of the payload, not only its fields.",
    icon="visibility",
    permission="reveal_deadletter",
    steps_up=True,
    preview=foresee_reveal,
    carry_out=reveal,
)
