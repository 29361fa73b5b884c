"""What Stripe says of payments: held, captured, refunded. Read page by page, or one by one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import stripe

from apps.payments.stripe_api import as_id, client

MOST = 50_000  # payments in one reading
PAGE = 100
NEVER = datetime.max.replace(tzinfo=UTC)


class Sums(NamedTuple):
    """What there is of a payment, in cents."""

    held: int = 0
    captured: int = 0
    refunded: int = 0

    @property
    def kept(self) -> int:
        """What was taken and not given back."""
        return self.captured - self.refunded


NOTHING = Sums()


class There(NamedTuple):
    """A payment as the gateway has it."""

    id: str
    saga_id: UUID | None  # as its metadata name it; null: not ours
    order_id: UUID | None
    currency: str
    sums: Sums
    created: datetime
    moves: bool  # the bank has not said yet


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the gateway says."""

    payments: Mapping[str, There]
    asked: frozenset[str] = frozenset()  # by name: those that are not in `payments` it has not
    since: datetime = NEVER  # all that it made from then on is here
    complete: bool = True  # false: it has more than are read at once, and older ones are left out

    def with_these(self, names: Collection[str]) -> "Ledger":
        """The same, and some payments by name."""
        asked = frozenset(names) - self.payments.keys()
        return replace(self, payments={**self.payments, **_retrieved(asked)}, asked=asked)


def read_since(since: datetime) -> Ledger:
    """The payments that were made since then; of too many the newest."""
    params: Any = {
        "created": {"gte": int(since.timestamp())},
        "limit": PAGE,
        "expand": ["data.latest_charge"],
    }
    pages = client().v1.payment_intents.list(params).auto_paging_iter()
    found = [_there(each) for each in islice(pages, MOST + 1)]
    complete = len(found) <= MOST
    if not complete:  # of those that were made in the same second not all may be here
        since = found[MOST].created + timedelta(seconds=1)
    listed = {each.id: each for each in found if complete or each.created >= since}
    return Ledger(listed, since=since, complete=complete)


def read_these(names: Collection[str]) -> Ledger:
    """Some payments only."""
    return Ledger(_retrieved(names), frozenset(names))


def _retrieved(names: Iterable[str]) -> dict[str, There]:
    """Payments one by one; those that the gateway does not know are left out."""
    found = {}
    for name in sorted(names):
        try:
            intent = client().v1.payment_intents.retrieve(name, {"expand": ["latest_charge"]})
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise
        else:
            found[name] = _there(intent)
    return found


def _there(intent: stripe.PaymentIntent) -> There:
    metadata = intent.metadata.to_dict() if intent.metadata else {}
    charge = intent.latest_charge
    sums = NOTHING
    if intent.status == "requires_capture":
        sums = Sums(held=intent.amount_capturable)
    elif intent.status == "succeeded":
        refunded = charge.amount_refunded if isinstance(charge, stripe.Charge) else 0
        sums = Sums(captured=intent.amount_received, refunded=refunded)
    return There(
        id=intent.id,
        saga_id=as_id(metadata.get("saga_id")),
        order_id=as_id(metadata.get("order_id")),
        currency=intent.currency.upper(),
        sums=sums,
        created=datetime.fromtimestamp(intent.created, UTC),
        moves=intent.status == "processing",
    )
