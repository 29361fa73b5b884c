"""Dead letters as people look at them: one, those behind it, those alike, all that are open."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from apps.contracts.catalogue import command_topic
from apps.messaging.database import Database
from apps.messaging.errors import LetterMoved, NoSuchLetter, NothingToReplay
from apps.messaging.models import ParkedStatus

COLUMNS = """
  id, status, version, blocks_saga, closes_step, saga_id, step, action, generation, type, topic,
  partition, "offset", headers, payload, edited_headers, edited_payload, edited_by, error_type,
  error, fingerprint, attempts, replays, parked_at, failed_at, settled_at
"""

# One letter.
FIND = "SELECT {columns} FROM {context}_deadletter WHERE id = %b".replace("{columns}", COLUMNS)

# One letter, held until the end of the transaction.
TAKE = FIND + " FOR UPDATE"

# Those of a status, or of any if it is empty; the newest first.
LIST = """
SELECT {columns} FROM {context}_deadletter
WHERE %b::text = '' OR status = %b ORDER BY id DESC LIMIT %b
""".replace("{columns}", COLUMNS)

# Actions that wait behind the parked ones of a saga, in the order in which they came.
BEHIND = """
SELECT id, type, step FROM {context}_deadletter
WHERE saga_id = %b AND status = 'waiting' ORDER BY id
"""

# Other actions of a saga that are parked.
OTHERS = """
SELECT id FROM {context}_deadletter
WHERE saga_id = %b AND status = 'parked' AND blocks_saga AND id <> %b
"""

# Parked messages by fingerprint, the most frequent first, each with the newest as its example.
GROUPS = """
SELECT fingerprint, count(*), min(parked_at), max(coalesce(failed_at, parked_at)),
  (array_agg(id ORDER BY id DESC))[1], (array_agg(type ORDER BY id DESC))[1],
  (array_agg(step ORDER BY id DESC))[1], (array_agg(error_type ORDER BY id DESC))[1],
  (array_agg(error ORDER BY id DESC))[1]
FROM {context}_deadletter WHERE status = 'parked'
GROUP BY fingerprint ORDER BY count(*) DESC, fingerprint
"""

# Parked messages that failed alike: those that were replayed least, then the oldest, first, so
# that a second turn takes others than the first.
ALIKE = """
SELECT id FROM {context}_deadletter WHERE fingerprint = %b AND status = 'parked'
ORDER BY replays, id LIMIT %b
"""

# How many letters there are of each status.
COUNTS = "SELECT status, count(*) FROM {context}_deadletter GROUP BY status"

# How many are parked.
PARKED = "SELECT count(*) FROM {context}_deadletter WHERE status = 'parked'"

# The open letters of a saga, in the order in which they came.
OPEN = """
SELECT {columns} FROM {context}_deadletter
WHERE saga_id = %b AND status IN ('parked', 'waiting') ORDER BY id
""".replace("{columns}", COLUMNS)

# How many are parked that failed alike.
COUNT_ALIKE = """
SELECT count(*) FROM {context}_deadletter WHERE fingerprint = %b AND status = 'parked'
"""

# Where letters stand now.
STANDING = "SELECT id, status, version, error FROM {context}_deadletter WHERE id = ANY(%b::uuid[])"


class ParkedLetter(NamedTuple):
    """A row of the dead letters."""

    id: UUID
    status: str
    version: int
    blocks_saga: bool
    closes_step: bool
    saga_id: UUID | None
    step: str
    action: str
    generation: int
    type: str
    topic: str
    partition: int
    offset: int
    headers: str
    payload: bytes
    edited_headers: str | None
    edited_payload: bytes | None
    edited_by: str
    error_type: str
    error: str
    fingerprint: str
    attempts: int
    replays: int
    parked_at: datetime
    failed_at: datetime | None
    settled_at: datetime | None

    @property
    def sent_headers(self) -> dict[str, str]:
        """What a replay sends: the corrected ones, if somebody corrected them."""
        return msgspec.json.decode(self.edited_headers or self.headers, type=dict[str, str])

    @property
    def sent_payload(self) -> bytes:
        """What a replay sends: the corrected one, if somebody corrected it."""
        return bytes(self.payload if self.edited_payload is None else self.edited_payload)

    @property
    def is_request(self) -> bool:
        """Whether it stays parked until what it asks is carried out."""
        return self.blocks_saga or self.closes_step

    def is_command(self, context: str) -> bool:
        """Whether this context was asked, rather than told."""
        return self.topic == command_topic(context)


class Behind(NamedTuple):
    """An action that waits behind a parked one."""

    id: UUID
    type: str
    step: str


class Group(NamedTuple):
    """Parked messages that failed alike."""

    fingerprint: str
    parked: int
    first_seen: datetime
    last_seen: datetime
    example: UUID  # the newest
    type: str
    step: str
    error_type: str
    error: str  # of the example


class Standing(NamedTuple):
    """What has become of a letter so far."""

    id: UUID
    status: str
    version: int
    error: str


def find(database: Database, letter_id: UUID) -> ParkedLetter:
    """One letter, of whatever status. Raises NoSuchLetter."""
    rows = database.fetch(FIND, [letter_id])
    if not rows:
        raise NoSuchLetter(id=str(letter_id), context=database.alias)
    return ParkedLetter(*rows[0])


def find_open(database: Database, letter_id: UUID) -> ParkedLetter:
    """One parked letter. Raises NothingToReplay where it is not open."""
    return _open(database, database.fetch(FIND, [letter_id]), letter_id)


def take_open(database: Database, letter_id: UUID, version: int | None) -> ParkedLetter:
    """One parked letter, locked, as it was seen; None stands for whatever it is now.

    Raises NothingToReplay where it is not open, LetterMoved where it is not what was seen.
    """
    letter = _open(database, database.fetch(TAKE, [letter_id]), letter_id)
    if version is not None and letter.version != version:
        raise LetterMoved(id=str(letter_id), seen=version, now=letter.version)
    return letter


def list_letters(database: Database, *, status: str = "", limit: int) -> list[ParkedLetter]:
    """The newest of a status, or of any."""
    return [ParkedLetter(*row) for row in database.fetch(LIST, (status, status, limit))]


def behind(database: Database, letter: ParkedLetter) -> list[Behind]:
    """What waits in the saga of a parked action; nothing waits behind other messages."""
    if not letter.blocks_saga:
        return []
    return [Behind(*row) for row in database.fetch(BEHIND, [letter.saga_id])]


def others_parked(database: Database, letter: ParkedLetter) -> list[UUID]:
    """The other parked actions of an action's saga."""
    if not letter.blocks_saga:
        return []
    return [id for (id,) in database.fetch(OTHERS, (letter.saga_id, letter.id))]


def counts(database: Database) -> dict[str, int]:
    """How many letters there are of each status that there is."""
    return dict(database.fetch(COUNTS))


def count_parked(database: Database) -> int:
    """How many messages are parked."""
    return database.fetch(PARKED)[0][0]


def open_of_saga(database: Database, saga_id: UUID | None) -> list[ParkedLetter]:
    """What is parked and what waits of a saga, in the order in which it came."""
    return [ParkedLetter(*row) for row in database.fetch(OPEN, [saga_id])]


def groups(*, context: str) -> list[Group]:
    """The parked messages of a context by how they failed, the most frequent first."""
    return [Group(*row) for row in Database(context).fetch(GROUPS)]


def alike(database: Database, fingerprint: str, limit: int) -> list[UUID]:
    """Parked messages that failed alike, at most so many."""
    return [id for (id,) in database.fetch(ALIKE, (fingerprint, limit))]


def count_alike(database: Database, fingerprint: str) -> int:
    """How many are parked that failed alike."""
    return database.fetch(COUNT_ALIKE, [fingerprint])[0][0]


def standing(*, context: str, letter_ids: Sequence[UUID]) -> list[Standing]:
    """What has become of letters so far. After a replay a letter is parked until its request is
    carried out; it is again, at a higher version, if that failed."""
    rows = Database(context).fetch(STANDING, [list(letter_ids)])
    return [Standing(*row) for row in rows]


def _open(database: Database, rows: list[tuple], letter_id: UUID) -> ParkedLetter:
    letter = ParkedLetter(*rows[0]) if rows else None
    if letter is None or letter.status != ParkedStatus.PARKED:
        facts = {"status": letter.status} if letter else {}
        raise NothingToReplay(id=str(letter_id), context=database.alias, **facts)
    return letter
