"""What people did to parked messages, and what came of it: read afterwards, for nothing waits.

A replay is only sent. Whether the message was handled shows in its own row, in those that were
parked after it, and in the saga log.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from apps.contracts import headers as h
from apps.messaging.database import Database
from apps.messaging.dead_letter_operations import EDIT, REPLAY, REPLAY_GROUP, REVEAL
from apps.messaging.dead_letter_rows import ParkedLetter
from apps.messaging.display import words
from apps.messaging.models import ParkedStatus

SENDS = (REPLAY, EDIT, REPLAY_GROUP)
FOLLOWED = timedelta(minutes=2)  # how long news of a message that is only listened to is awaited
REVEALED = timedelta(hours=1)  # how long somebody may go on correcting what they were shown

# What people did to one letter, in order.
DEEDS = """
SELECT at, actor, operation, version, reason, outcome, parameters::text
FROM {context}_operatoraction
WHERE subject_id = %b AND subject_kind = 'dead_letter' ORDER BY id
"""

# Whether somebody was shown the payload of a letter a while ago or later.
WAS_SHOWN = """
SELECT EXISTS (SELECT FROM {context}_operatoraction
               WHERE subject_id = %b AND operation = %b AND actor_id = %b AND at > now() - %b)
"""

# The message of a saga that was parked anew from a topic after a letter was settled.
ANEW = """
SELECT id, error_type, error FROM {context}_deadletter
WHERE saga_id = %b AND topic = %b AND status = 'parked' AND parked_at > %b AND id <> %b
ORDER BY id LIMIT 1
"""

# What a context's saga log says of a step, where it said something since.
NOTED = """
SELECT status FROM {context}_sagalog WHERE saga_id = %b AND step = %b AND changed_at > %b
"""

# The letters of a fingerprint that were sent since as one of a group, and whether each failed.
RUN = """
SELECT letter.id, letter.saga_id, letter.status, letter.error_type, letter.error,
  letter.blocks_saga OR letter.closes_step,
  coalesce(letter.failed_at > sent.at, false) OR EXISTS (
    SELECT FROM {context}_deadletter AS anew
    WHERE anew.saga_id = letter.saga_id AND anew.topic = letter.topic AND anew.status = 'parked'
      AND anew.parked_at > sent.at AND anew.id <> letter.id)
FROM (SELECT subject_id, max(at) AS at FROM {context}_operatoraction
      WHERE id >= %b AND operation = %b AND parameters->>'fingerprint' = %b
      GROUP BY subject_id) AS sent
JOIN {context}_deadletter AS letter ON letter.id = sent.subject_id
ORDER BY sent.at DESC, letter.id
"""


class Deed(NamedTuple):
    """What a person did to a letter, and why."""

    at: datetime
    actor: str
    operation: str
    version: int  # of the letter, as they had seen it
    reason: str
    outcome: str
    parameters: str  # JSON

    @property
    def changed(self) -> list[str]:
        """What a correction changed: names and paths, no values."""
        parameters: dict[str, Any] = msgspec.json.decode(self.parameters)
        return parameters.get("changed", [])


class News(NamedTuple):
    """What came of the last replay, as far as it is known."""

    word: str  # for a label: handled, failed again, …
    text: str
    letter_id: UUID | None = None  # where it was parked anew
    more_to_come: bool = False


class Sent(NamedTuple):
    """A letter that was sent as one of a group, and where it stands."""

    id: UUID
    saga_id: UUID | None
    status: str
    error_type: str
    error: str
    is_request: bool
    failed: bool

    @property
    def word(self) -> str:
        """What came of it, for a label."""
        if self.failed:
            return "failed again"
        if self.status == ParkedStatus.PARKED:
            return "under way"
        if self.status == ParkedStatus.REPLAYED:
            return "handled" if self.is_request else "sent"
        return self.status


def deeds(database: Database, letter_id: UUID) -> list[Deed]:
    """What people did to a letter, in order."""
    return [Deed(*row) for row in database.fetch(DEEDS, [letter_id])]


def was_shown(database: Database, letter_id: UUID, actor_id: int | None) -> bool:
    """Whether somebody was shown a letter's payload within the last hour."""
    return database.fetch(WAS_SHOWN, (letter_id, REVEAL, actor_id, REVEALED))[0][0]


def news_of(
    database: Database, letter: ParkedLetter, done: Sequence[Deed], now: datetime
) -> News | None:
    """What came of the last replay of a letter; None where it was not replayed by hand."""
    sent = next((each for each in reversed(done) if each.operation in SENDS), None)
    if sent is None:
        return None
    context = database.alias
    if letter.status == ParkedStatus.PARKED:
        return _still_parked(context, letter, sent)
    if letter.status == ParkedStatus.REPLAYED and letter.is_request:
        return News("handled", f"{context} has carried out what it asks.")
    if letter.status == ParkedStatus.REPLAYED:
        return _heard_of(database, letter, sent, now)
    return None


def sent_of_group(database: Database, fingerprint: str, since: UUID) -> list[Sent]:
    """Where the letters stand that were sent as a group since an id of the audit was made."""
    rows = database.fetch(RUN, (since, REPLAY_GROUP, fingerprint))
    return [Sent(*row) for row in rows]


def counted(sent: Sequence[Sent]) -> dict[str, int]:
    """How many came to what, the most first."""
    return dict(Counter(each.word for each in sent).most_common())


def id_of(moment: datetime) -> UUID:
    """The least UUIDv7 of a moment: ids that were made since are not less."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62)


def _still_parked(context: str, letter: ParkedLetter, sent: Deed) -> News:
    if letter.failed_at and letter.failed_at > sent.at:
        return News("failed again", f"{letter.error_type}: {letter.error}")
    text = f"It is sent. {context} has not carried it out yet, and it has not failed again."
    return News("under way", text, more_to_come=True)


def _heard_of(database: Database, letter: ParkedLetter, sent: Deed, now: datetime) -> News:
    """Of a message that asks for nothing the row itself tells nothing any more."""
    anew = database.fetch(ANEW, (letter.saga_id, letter.topic, sent.at, letter.id))
    if anew:
        [(id, error_type, error)] = anew
        return News("failed again", f"It was parked anew: {error_type}: {error}", id)
    step = letter.sent_headers.get(h.STEP_ID, "")
    noted = database.fetch(NOTED, (letter.saga_id, step, sent.at))
    if noted and letter.is_command(database.alias):
        [[status]] = noted
        return News("handled", f"{database.alias} has noted since: {words(step)} is {status}.")
    young = now - sent.at < FOLLOWED
    text = "It is sent, and was not parked again so far. Nothing more is kept of such a message."
    return News("sent", text, more_to_come=young)
