"""The cards that one call tries, as rows: each is written before its bank is asked, and what the
bank said after it.

Every write is a transaction of its own and names the statuses that it starts from. A worker that
another has overtaken finds its row closed, and asks nothing more.
"""

from datetime import datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID

from apps.messaging.database import Database, Row
from apps.messaging.errors import RivalMovedFirst
from apps.messaging.handling import Call
from apps.payments.models import OPEN_CARDS, CardStatus

KEY_LIFE = timedelta(hours=23)  # Stripe may forget a key after 24 hours

# All attempts of a call.
LOAD = """
SELECT number, card, status, reference, code, asked_at, changed_at, now()
FROM payments_cardattempt WHERE call = %b ORDER BY number
"""

# One attempt more. Its number is taken where another worker was faster: that is an error.
BEGIN = """
INSERT INTO payments_cardattempt
  (call, number, saga_id, order_id, customer_id, card, reference, status)
VALUES (%b, %b, %b, %b, %b, %b, %b, %b)
RETURNING number, card, status, reference, code, asked_at, changed_at, now()
"""

# Move an open attempt. When it was first asked, and when its status changed, are kept.
MOVE = """
UPDATE payments_cardattempt
SET status = %b, reference = coalesce(nullif(%b, ''), reference), code = %b,
    client_secret = %b, action_url = %b,
    asked_at = CASE WHEN %b IN ('given', 'closed') THEN asked_at ELSE coalesce(asked_at, now()) END,
    changed_at = CASE WHEN status = %b THEN changed_at ELSE now() END
WHERE call = %b AND number = %b AND status IN ('given', 'asked', 'action')
RETURNING number, card, status, reference, code, asked_at, changed_at, now()
"""


class Attempt(NamedTuple):
    """One card, and what is known of it."""

    number: int
    card: str
    status: CardStatus
    reference: str
    code: str
    asked_at: datetime | None
    changed_at: datetime
    read_at: datetime  # by the database's clock

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_CARDS

    @property
    def key_is_old(self) -> bool:
        """Whether Stripe may have forgotten what was asked under its key."""
        return self.asked_at is not None and self.read_at - self.asked_at > KEY_LIFE


class Attempts:
    """All attempts of one call, the newest last."""

    def __init__(self, call: Call, database: Database, rows: list[Attempt]) -> None:
        self.call, self.database, self.rows = call, database, rows

    @classmethod
    def of(cls, call: Call) -> Self:
        """As they are now."""
        database = Database("payments")
        return cls(call, database, [_read(row) for row in database.fetch(LOAD, [call.key])])

    @property
    def last(self) -> Attempt:
        """The newest. There is one."""
        return self.rows[-1]

    @property
    def open(self) -> Attempt | None:
        """The one whose card is being tried."""
        return self.rows[-1] if self.rows and self.rows[-1].is_open else None

    @property
    def reference(self) -> str:
        """What Stripe calls the payment; empty while nobody knows."""
        return next((each.reference for each in reversed(self.rows) if each.reference), "")

    @property
    def declined(self) -> int:
        """How many cards were declined."""
        return sum(each.status == CardStatus.DECLINED for each in self.rows)

    # --- writes

    def begin(self, card: str, status: CardStatus = CardStatus.GIVEN) -> Attempt:
        """Write down a card that is to be tried next. Raises where another worker did so."""
        values = (
            *self._numbered(len(self.rows) + 1),
            *self._whose(),
            card,
            self.reference,
            status.value,
        )
        [row] = self.database.fetch(BEGIN, values)
        self.rows.append(_read(row))
        return self.last

    def asking(self) -> Attempt:
        """Write down that the bank is asked now, under keys of this number. What a key has no more
        to tell of, the next number asks."""
        attempt = self.last
        if attempt.status == CardStatus.ASKED and attempt.key_is_old:
            self.lose()
        return self._move(CardStatus.ASKED)

    def refer(self, reference: str) -> None:
        """Write down what Stripe calls the payment."""
        self._move(self.last.status, reference=reference)

    def lose(self) -> None:
        """The key of the open attempt tells nothing any more: its card is tried under another."""
        with self.database.transaction():
            card = self._move(CardStatus.LOST).card
            self.begin(card)

    def needs_customer(self, client_secret: str, action_url: str) -> None:
        """The bank asks its customer, who needs this for it."""
        self._move(CardStatus.ACTION, client_secret=client_secret, action_url=action_url)

    def decline(self, code: str) -> None:
        """The bank said no, or will not be asked any more."""
        self._move(CardStatus.DECLINED, code=code)

    def hold(self) -> None:
        """The amount is held."""
        self._move(CardStatus.HELD)

    def close(self, code: str) -> None:
        """Nothing more is asked: neither by us nor by a worker that still thinks it should."""
        if not self.rows:
            self.begin(self.call.details.card, CardStatus.CLOSED)
        elif self.open:
            self._move(CardStatus.CLOSED, code=code)

    def _move(
        self,
        status: CardStatus,
        *,
        reference: str = "",
        code: str = "",
        client_secret: str = "",
        action_url: str = "",
    ) -> Attempt:
        facts = (reference, code, client_secret, action_url)
        which = self._numbered(self.last.number)
        moved = self.database.fetch(
            MOVE, (status.value, *facts, status.value, status.value, *which)
        )
        if not moved:
            raise RivalMovedFirst(decided=1, written=0)
        self.rows[-1] = _read(moved[0])
        return self.last

    def _numbered(self, number: int) -> tuple[str, int]:
        return self.call.key, number

    def _whose(self) -> tuple[UUID, UUID, int]:
        charge = self.call.details
        return self.call.request.saga_id, charge.order_id, charge.customer_id


def _read(row: Row) -> Attempt:
    number, card, status, *rest = row
    return Attempt(number, card, CardStatus(status), *rest)
