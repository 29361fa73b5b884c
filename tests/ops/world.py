"""A shop whose sagas really ran, all services in this process and hands instead of Kafka."""

import itertools
from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec
import psycopg
from waffle import get_waffle_switch_model

from apps.contracts.values import Address, Line, PaymentMethod, PricedLine, RefundTo
from apps.inventory.services import set_stock
from apps.messaging.consumer import carry_out
from apps.messaging.record import Record
from apps.messaging.wiring import wiring
from apps.orders.cancelling import request_cancellation
from apps.orders.returning import announce_return
from apps.orders.services import GIFT_WRAP, Answer, place_order
from apps.payments.services import set_credit
from apps.pricing.services import NewListPrice, set_list_prices
from sagaplatform.env import CONTEXTS

Owners = dict[str, psycopg.Connection]
CUSTOMER = 7
PRICES = {"tea": 450, "cup": 1200}
HOME = Address(name="A", street="1 B", postal_code="1", city="C", country="US")
BATCH = 100
keys, offsets = itertools.count(), itertools.count()


def open_shop() -> None:
    """Plenty of everything, gift wrap too."""
    get_waffle_switch_model().objects.update_or_create(name=GIFT_WRAP, defaults={"active": True})
    set_stock(on_hand=dict.fromkeys(PRICES, 1_000_000), reason="test")
    prices = {name: NewListPrice(cents, "USD") for name, cents in PRICES.items()}
    set_list_prices(prices=prices)
    set_credit(available={CUSTOMER: 10**12}, currency="USD", reason="test")


def buy(
    *,
    gift_wrap: bool = False,
    payment_method: PaymentMethod = PaymentMethod.CREDIT,
    card: str = "",
    **quantities: int,
) -> UUID:
    """Place an order; its id. buy(tea=1) is confirmed, buy(tea=100) refused by shipping, last. With
    a card it is paid by that."""
    lines = tuple(
        PricedLine(product_id=product, quantity=quantity, unit_price_cents=PRICES[product])
        for product, quantity in quantities.items()
    )
    placement = place_order(
        customer_id=CUSTOMER,
        lines=lines,
        currency="USD",
        payment_method=PaymentMethod.CARD if card else payment_method,
        card=card,
        gift_wrap=gift_wrap,
        address=HOME,
        idempotency_key=f"key-{next(keys)}",
        request_hash=b"x",
        answer=lambda order: Answer(202, "{}"),
    )
    return placement.order_id


def cancel(order_id: UUID) -> None:
    """The customer wishes to cancel an order."""
    request_cancellation(
        customer_id=CUSTOMER,
        order_id=order_id,
        reason="",
        idempotency_key=f"wish-{next(keys)}",
        request_hash=b"x",
    )


def send_back(
    order_id: UUID, *, refund_to: RefundTo = RefundTo.ORIGINAL, key: str = "", **quantities: int
) -> UUID:
    """The customer announces that goods come back; the return's id."""
    announced = announce_return(
        customer_id=CUSTOMER,
        order_id=order_id,
        lines=[Line(product_id=name, quantity=many) for name, many in quantities.items()],
        reason="",
        refund_to=refund_to,
        idempotency_key=key or f"return-{next(keys)}",
        request_hash=b"x",
    )
    return announced.id


def deliver(owners: Owners, rounds: int = 1000, deaf: Collection[str] = ()) -> None:
    """Carry messages to those who read their topics until none is left, or so many rounds. Those
    who are deaf get none."""
    for _ in range(rounds):
        records = [record for name in CONTEXTS for record in collect(owners[name], name)]
        if not records:
            return
        for name in (each for each in CONTEXTS if each not in deaf):
            _hand(name, [each for each in records if each.topic in wiring(name).topics])


def collect(owner: psycopg.Connection, context: str) -> list[Record]:
    """Take what a context has to send, as those who read its topics get it."""
    rows = owner.execute(
        f"DELETE FROM {context}_outboxmessage RETURNING topic, headers, payload"
    ).fetchall()
    return [_record(topic, headers, bytes(payload)) for topic, headers, payload in rows]


def _record(topic: str, texts: str, payload: bytes) -> Record:
    headers = {name: value.encode() for name, value in msgspec.json.decode(texts).items()}
    return Record(topic, 0, next(offsets), None, headers, payload)


def _hand(context: str, records: Sequence[Record]) -> None:
    for start in range(0, len(records), BATCH):
        assert carry_out(context, records[start : start + BATCH]) == []
