"""What people do with parked messages: replay, correct, discard. The only way to it.

Each has a preview, needs an actor and a reason, is refused where the message is not what the person
had seen, and is written down in its own transaction. None of them waits for what comes of it:
`dead_letter_rows.standing` tells that afterwards.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.audit import Actor, checked_reason, write_down
from apps.messaging.database import Database
from apps.messaging.dead_letter_edits import edit_of
from apps.messaging.dead_letter_previews import GroupPreview, Preview, preview_of
from apps.messaging.dead_letter_rows import (
    Group,
    ParkedLetter,
    alike,
    behind,
    find,
    find_open,
    groups,
    others_parked,
    take_open,
)
from apps.messaging.dead_letters import DeadLetters, sent_again
from apps.messaging.errors import NothingAlike, NothingToReplay
from apps.messaging.failpoints import reach
from apps.messaging.models import ParkedStatus, SubjectKind
from apps.messaging.outbox import encode_headers, post
from apps.messaging.request import Request

REPLAY, EDIT, DISCARD = "replay", "edit_and_replay", "discard"
REPLAY_GROUP, REVEAL = "replay_group", "reveal_payload"

# Count a replay. A request stays parked until it is carried out.
COUNT_REPLAY = """
UPDATE {context}_deadletter
SET replays = replays + 1, version = version + 1,
    status = CASE WHEN blocks_saga OR closes_step THEN status ELSE 'replayed' END,
    settled_at = CASE WHEN blocks_saga OR closes_step THEN NULL ELSE now() END
WHERE id = %b
"""

# Keep a correction beside the original.
CORRECT = """
UPDATE {context}_deadletter SET edited_headers = %b, edited_payload = %b, edited_by = %b
WHERE id = %b
"""


class Outcome(NamedTuple):
    """What was done with one letter."""

    letter_id: UUID
    done: bool
    text: str


# --- previews


def preview_replay(*, context: str, letter_id: UUID) -> Preview:
    """What a replay would do. Raises NothingToReplay."""
    database = Database(context)
    return _preview(database, REPLAY, find_open(database, letter_id))


def preview_edit(
    *, context: str, letter_id: UUID, payload: bytes, headers: Mapping[str, str] | None = None
) -> Preview:
    """What a replay after this correction would do. Raises NothingToReplay and EditRefused."""
    database = Database(context)
    letter = find_open(database, letter_id)
    edit = edit_of(context, letter, payload, headers)
    return _preview(database, EDIT, letter, changes=edit.changes)


def preview_discard(*, context: str, letter_id: UUID) -> Preview:
    """What giving up a parked message would mean. Raises NothingToReplay."""
    database = Database(context)
    return _preview(database, DISCARD, find_open(database, letter_id))


def preview_group(*, context: str, fingerprint: str, limit: int) -> GroupPreview:
    """What replaying so many of a group would do. Raises NothingAlike."""
    database = Database(context)
    letters = [find(database, each) for each in alike(database, fingerprint, limit)]
    return GroupPreview(
        operation=REPLAY_GROUP,
        context=context,
        fingerprint=fingerprint,
        parked=_group(context, fingerprint).parked,
        letters=tuple(_preview(database, REPLAY, each) for each in letters),
    )


# --- operations


def replay_letter(
    *, context: str, letter_id: UUID, version: int, actor: Actor, reason: str
) -> Outcome:
    """Send a parked message again, corrected if somebody corrected it before.

    An action or compensation stays parked until its request is carried out: if that fails again, it
    is parked where it was, and what waits behind it goes on waiting. Raises ReasonMissing,
    NothingToReplay and LetterMoved, and changes nothing then.
    """
    checked_reason(reason)
    database = Database(context)
    with database.transaction():
        letter = _take(database, letter_id, version)
        outcome = _send(database, letter)
        _audit(database, letter, REPLAY, actor, reason, outcome, replays=letter.replays)
    return outcome


def edit_and_replay(
    *,
    context: str,
    letter_id: UUID,
    version: int,
    payload: bytes,
    headers: Mapping[str, str] | None = None,
    actor: Actor,
    reason: str,
) -> Outcome:
    """Correct a parked message and send it again; the original stays in the row.

    The payload must be what its type says, without unknown fields. `headers` are those to change;
    saga, step, action and generation cannot be. The audit names what was changed, never a value.
    Raises ReasonMissing, NothingToReplay, LetterMoved and EditRefused, and changes nothing then.
    """
    checked_reason(reason)
    database = Database(context)
    with database.transaction():
        letter = _take(database, letter_id, version)
        edit = edit_of(context, letter, payload, headers)
        database.execute(CORRECT, (edit.headers, edit.payload, actor.name, letter_id))
        corrected = letter._replace(edited_headers=edit.headers, edited_payload=edit.payload)
        outcome = _send(database, corrected)
        _audit(database, letter, EDIT, actor, reason, outcome, changed=edit.changes)
    return outcome


def discard_letter(
    *, context: str, letter_id: UUID, version: int, actor: Actor, reason: str
) -> Outcome:
    """Give a parked message up. What waited behind it goes on, unless another is parked before it.

    All that is parked of its saga is locked first, in the order in which batches do: of two that
    are given up at once, the second knows of the first, and lets go what waited behind both.
    Raises ReasonMissing, NothingToReplay and LetterMoved, and changes nothing then.
    """
    checked_reason(reason)
    database = Database(context)
    with database.transaction():
        letters = DeadLetters(database)
        letters.parked_of(_saga_of(database, letter_id))
        letter = _take(database, letter_id, version)
        letters.settle([(letter.id, letter.saga_id, ParkedStatus.DISCARDED)])
        outcome = Outcome(letter_id, True, "discarded; it is not sent again by itself")
        _audit(database, letter, DISCARD, actor, reason, outcome)
    return outcome


def replay_group(
    *, context: str, fingerprint: str, limit: int, actor: Actor, reason: str
) -> list[Outcome]:
    """Send so many of the messages again that failed alike; what was done with each.

    Each goes in a transaction of its own, with an audit row of its own. Those that were replayed
    least are taken first: a canary of one, then ten, then the rest takes others each time. Raises
    ReasonMissing and NothingAlike.
    """
    checked_reason(reason)
    chosen = alike(Database(context), fingerprint, limit)
    if not chosen:
        raise NothingAlike(fingerprint=fingerprint, context=context)
    asked = {"fingerprint": fingerprint, "limit": limit}
    return [_replay_one_of(context, each, actor, reason, asked) for each in chosen]


def reveal_payload(*, context: str, letter_id: UUID, actor: Actor, reason: str) -> bytes:
    """The payload that a replay would send, which may hold personal data: to look is written down.

    Raises ReasonMissing and NoSuchLetter.
    """
    checked_reason(reason)
    database = Database(context)
    with database.transaction():
        letter = find(database, letter_id)
        outcome = Outcome(letter_id, True, "the payload was shown")
        _audit(database, letter, REVEAL, actor, reason, outcome)
    return letter.sent_payload


# --- what they share


def _take(database: Database, letter_id: UUID, version: int | None) -> ParkedLetter:
    """See take_open. Before anything is sent, so that a test can have it die after the commit."""
    letter = take_open(database, letter_id, version)
    after = partial(reach, "letter.after_commit", _asked_in(letter))
    transaction.on_commit(after, using=database.alias)
    return letter


def _saga_of(database: Database, letter_id: UUID) -> list[UUID]:
    """The saga of a parked letter, if it can be read. Raises NothingToReplay."""
    saga_id = find_open(database, letter_id).saga_id
    return [saga_id] if saga_id else []


def _asked_in(letter: ParkedLetter) -> Iterator[Request]:
    """What a letter asks, if it can be read."""
    if letter.saga_id and letter.action:
        action, mode = Action(letter.action), Mode.ORCHESTRATED
        yield Request(letter.saga_id, letter.step, action, letter.generation, mode)


def _preview(
    database: Database, operation: str, letter: ParkedLetter, changes: tuple[str, ...] = ()
) -> Preview:
    return preview_of(
        operation,
        database.alias,
        letter,
        behind=behind(database, letter),
        others_parked=others_parked(database, letter),
        changes=changes,
    )


def _group(context: str, fingerprint: str) -> Group:
    for each in groups(context=context):
        if each.fingerprint == fingerprint:
            return each
    raise NothingAlike(fingerprint=fingerprint, context=context)


def _send(database: Database, letter: ParkedLetter) -> Outcome:
    headers = encode_headers(letter.sent_headers)
    message = sent_again(letter.topic, letter.saga_id, headers, letter.sent_payload)
    post(database, [message])
    database.execute(COUNT_REPLAY, [letter.id])
    return Outcome(letter.id, True, f"sent to {letter.topic} again as message {message.id}")


def _replay_one_of(
    context: str, letter_id: UUID, actor: Actor, reason: str, asked: dict[str, object]
) -> Outcome:
    """One of a group; somebody else may have settled it since it was chosen."""
    database = Database(context)
    try:
        with database.transaction():
            letter = _take(database, letter_id, version=None)
            outcome = _send(database, letter)
            _audit(database, letter, REPLAY_GROUP, actor, reason, outcome, **asked)
    except NothingToReplay as settled:
        return Outcome(letter_id, False, str(settled))
    return outcome


def _audit(
    database: Database,
    letter: ParkedLetter,
    operation: str,
    actor: Actor,
    reason: str,
    outcome: Outcome,
    **parameters: object,
) -> None:
    write_down(
        database,
        actor=actor,
        operation=operation,
        subject_kind=SubjectKind.DEAD_LETTER,
        subject_id=letter.id,
        saga_id=letter.saga_id,
        step=letter.step,
        version=letter.version,
        reason=reason,
        parameters={"type": letter.type, "generation": letter.generation, **parameters},
        outcome=outcome.text,
    )
    reach("letter.before_commit", _asked_in(letter))
