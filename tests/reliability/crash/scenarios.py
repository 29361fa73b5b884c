"""The shipped definition in scenarios: in both modes, confirmed and undone, by store credit and by
card; late, lost, out of time, wished away, checked for fraud, taken back, and sent back in part."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import randrange
from uuid import UUID, uuid4

import psycopg
from waffle import get_waffle_switch_model

from apps.contracts.plan import Mode
from apps.contracts.values import AcceptedLine, Line, PaymentMethod, PricedLine, RefundTo
from apps.inventory.models import Arrival, ArrivalStatus
from apps.inventory.receiving import record_arrival
from apps.messaging.audit import Actor
from apps.orders.cancelling import request_cancellation
from apps.orders.models import Cancellation, Order, OrderStatus, Return
from apps.orders.returning import announce_return
from apps.payments.handlers import RETURN
from apps.processes import CANCEL_ORDER, PLACE_ORDER, RETURN_ORDER
from apps.processes.place_order_2 import PLACE_ORDER_2
from tests.e2e.world import CUSTOMER, basket, buy, drive, open_shop
from tests.reliability.crash.points import Job, Scenario, Time
from tests.reliability.crash.way import Way
from tests.running import Platform
from tests.standin import StandInGateway
from tools.fakecarrier import client as carrier
from tools.fakestripe import client as stripe

GIFT = frozenset({"gift_wrap"})
CREDIT, CARD = PaymentMethod
RECEIVER = Actor(id=None, name="receiver")
Switch = get_waffle_switch_model()
IN_HOUSE = frozenset({"create_shipment", "recall_shipment"})  # our own van, unless a carrier is set
NO_ADDRESS = frozenset(  # customers have none
    {"send_confirmation", "send_cancellation", "send_return_notice"}
)
UNREACHABLE = NO_ADDRESS | IN_HOUSE
BY_CREDIT = UNREACHABLE | {"authorize_payment", "capture_payment"}  # which is in our own ledger
BY_RULES = UNREACHABLE | {"check_fraud"}  # which ask no person
TO_CREDIT = UNREACHABLE | {"refund_return"}  # which is in our own ledger
RECEIVE = "receive_goods"
TOO_MANY = {"cake": 70}  # for a carrier


def wish_to_cancel() -> None:
    """Cancel the order that is under way, as its customer."""
    cancel(Order.objects.get(status=OrderStatus.PLACED))


def take_back() -> None:
    """Cancel the last order that was confirmed, as its customer."""
    wished = Cancellation.objects.values("order_id")
    confirmed = Order.objects.filter(status=OrderStatus.CONFIRMED).exclude(id__in=wished)
    order = confirmed.order_by("id").last()
    assert order, "one is placed before"
    cancel(order)


def cancel(order: Order) -> None:
    request_cancellation(
        customer_id=order.customer_id, order_id=order.id, reason="",
        idempotency_key=f"key-{uuid4()}", request_hash=b"x",
    )  # fmt: skip


def send_back(refund_to: RefundTo) -> None:
    """Announce that a part of the last order that was confirmed comes back, as its customer."""
    returned = Return.objects.values("order_id")
    confirmed = Order.objects.filter(status=OrderStatus.CONFIRMED).exclude(id__in=returned)
    order = confirmed.order_by("id").last()
    assert order, "one is placed before"
    announce_return(
        customer_id=order.customer_id, order_id=order.id,
        lines=[Line(product_id="tea", quantity=1)], reason="", refund_to=refund_to,
        idempotency_key=f"key-{uuid4()}", request_hash=b"x",
    )  # fmt: skip


def place(
    lines: Sequence[PricedLine],
    method: PaymentMethod,
    *,
    gift_wrap: bool = True,
    customer: int = CUSTOMER,
    card: str = "",
) -> UUID:
    """Place an order; its id."""
    placed = buy(lines, gift_wrap=gift_wrap, payment_method=method, customer=customer, card=card)
    return placed.order_id


def by_card_of_somebody_new() -> UUID:
    """An order of a customer who has not ordered before, so that the rules clear it."""
    return place(basket(tea=1), CARD, customer=randrange(10**6, 10**12))


by_credit = partial(place, basket(tea=1), CREDIT)
by_card = partial(place, basket(tea=1), CARD)
two_by_card = partial(place, basket(tea=2), CARD, gift_wrap=False)
NOT_CAPTURED = (("capture", "decline"),)


def in_mode(mode: Mode) -> tuple[Scenario, ...]:
    """The same in both."""
    confirmed = Way(PLACE_ORDER, GIFT, inside=UNREACHABLE, mode=mode)
    undone = Way(PLACE_ORDER, GIFT, refused="capture_payment", inside=UNREACHABLE, mode=mode)
    checked = Way(
        PLACE_ORDER_2, GIFT | {"check_fraud"}, refused="capture_payment", inside=BY_RULES, mode=mode
    )
    too_many = partial(place, basket(**TOO_MANY), CREDIT, gift_wrap=False)
    events = " by events" if confirmed.by_events else ""
    return (
        Scenario(
            f"confirmed by store credit{events}",
            Way(PLACE_ORDER, GIFT, inside=BY_CREDIT, mode=mode), by_credit,
        ),
        Scenario(f"confirmed by card{events}", confirmed, by_card),
        Scenario(
            f"undone by store credit{events}",
            Way(PLACE_ORDER, refused="create_shipment", inside=BY_CREDIT, mode=mode), too_many,
        ),
        Scenario(f"undone by card{events}", undone, by_card, calls=NOT_CAPTURED),
        Scenario(f"late by card{events}", confirmed, by_card, Time.LATE),
        Scenario(f"late in undoing by card{events}", undone, by_card, Time.LATE, NOT_CAPTURED),
        Scenario(f"out of time by card{events}", confirmed, by_card, Time.OVER),
        Scenario(f"cancelled under way by card{events}", confirmed, by_card, Time.WISHED),
        Scenario(f"start lost by card{events}", confirmed, by_card, Time.LOST),
        Scenario(
            f"checked for fraud and undone by card{events}", checked, by_card_of_somebody_new,
            calls=NOT_CAPTURED,
        ),
    )  # fmt: skip


def sent_back(mode: Mode) -> tuple[Scenario, ...]:
    """The same in both: one of two pieces comes back, and its price is store credit."""
    returned = Way(RETURN_ORDER, inside=TO_CREDIT, mode=mode)
    refused = Way(RETURN_ORDER, refused=RECEIVE, inside=TO_CREDIT, mode=mode)
    begin = partial(send_back, RefundTo.CREDIT)
    events = " by events" if returned.by_events else ""
    return (
        Scenario(
            f"sent back{events}", returned, begin, before=two_by_card,
            sampled=not returned.by_events,
        ),
        Scenario(
            f"sent back for store credit{events}", returned, begin, Time.ANSWERED,
            before=two_by_card, sampled=False,
        ),
        Scenario(
            f"sent back in vain{events}", refused, begin, Time.ANSWERED, before=two_by_card,
            sampled=False,
        ),
        Scenario(
            f"sending back lost{events}", returned, begin, Time.LOST, before=two_by_card,
            sampled=False,
        ),
    )  # fmt: skip


def before_the_carrier(mode: Mode) -> tuple[Scenario, ...]:
    """The same in both, where parcels wait in the house."""
    back = Way(CANCEL_ORDER, CANCEL_ORDER.wishes, inside=UNREACHABLE, mode=mode)
    events = " by events" if back.by_events else ""
    return (
        Scenario(
            f"carrier comes later{events}", Way(PLACE_ORDER, GIFT, inside=BY_CREDIT, mode=mode),
            by_credit, Time.CARRIER, settings=CARRIER_LATER,
        ),
        Scenario(
            f"taken back by card{events}", back, take_back, before=by_card, settings=CARRIER_LATER
        ),
        Scenario(
            f"taking back lost by card{events}", back, take_back, Time.LOST, before=by_card,
            settings=CARRIER_LATER,
        ),
    )  # fmt: skip


# Cards are taken by the adapter for Stripe, and parcels by a carrier over HTTP.
STRIPE = (
    ("CARD_GATEWAY", ""), ("STRIPE_API_KEY", "sk_test_of_the_tests"),
    ("STRIPE_API_BASE", "{stripe}"),
)  # fmt: skip
CARRIER = (("CARRIER_URL", "{carrier}"), ("CARRIER_API_KEY", "test_key"))
OUTSIDE = (*STRIPE, *CARRIER)
at_stripe = partial(place, basket(tea=1), CARD, card="pm_card_visa")
two_at_stripe = partial(place, basket(tea=2), CARD, gift_wrap=False, card="pm_card_visa")


def outside() -> tuple[Scenario, ...]:
    """The same with the adapters that are shipped; all but the workers are as above."""
    confirmed = Way(PLACE_ORDER, GIFT, inside=NO_ADDRESS)
    undone = Way(PLACE_ORDER, GIFT, refused="capture_payment", inside=NO_ADDRESS)
    back = Way(CANCEL_ORDER, CANCEL_ORDER.wishes, inside=NO_ADDRESS)
    workers = partial(Scenario, settings=OUTSIDE, who_dies=frozenset({Job.WORKER}))
    return (
        workers("confirmed with Stripe and a carrier", confirmed, at_stripe),
        workers("undone with a carrier", undone, by_card, calls=NOT_CAPTURED, settings=CARRIER),
        workers("cancelled under way with Stripe and a carrier", confirmed, at_stripe, Time.WISHED),
        workers("taken back with Stripe and a carrier", back, take_back, before=at_stripe),
    )


def sent_back_to_stripe(mode: Mode) -> Scenario:
    """The same in both: one of two pieces comes back, and Stripe gives back its price. Until it is
    here, all is as above."""
    returned = Way(RETURN_ORDER, inside=UNREACHABLE, mode=mode)
    begin = partial(send_back, RefundTo.ORIGINAL)
    events = " by events" if returned.by_events else ""
    return Scenario(
        f"sent back with Stripe{events}", returned, begin, Time.ANSWERED, before=two_at_stripe,
        settings=STRIPE, sampled=not returned.by_events,
    )  # fmt: skip


CARRIER_LATER = (("HAND_OVER_AFTER", "3600"),)
SCENARIOS = (
    *in_mode(Mode.ORCHESTRATED),
    *in_mode(Mode.CHOREOGRAPHED),
    *sent_back(Mode.ORCHESTRATED),
    *sent_back(Mode.CHOREOGRAPHED),
    *before_the_carrier(Mode.ORCHESTRATED),
    *before_the_carrier(Mode.CHOREOGRAPHED),
    *outside(),
    sent_back_to_stripe(Mode.ORCHESTRATED),
    sent_back_to_stripe(Mode.CHOREOGRAPHED),
)

# What each payment by card says that the gateway has done for it.
CARD_EFFECTS = """
SELECT saga_id::text, operation FROM payments_payment, unnest(CASE
    WHEN status = 'authorized' THEN ARRAY['authorize']
    WHEN status = 'captured' THEN ARRAY['authorize', 'capture']
    WHEN captured_cents > 0 THEN ARRAY['authorize', 'capture', 'give_back']
    ELSE ARRAY['authorize', 'give_back'] END) AS operation
WHERE method = 'card' ORDER BY 1, 2
"""
# Calls that may have been made, and whose outcome we do not know yet.
OPEN_CALLS = """
SELECT subject, operation FROM payments_intent
WHERE status IN ('claimed', 'unknown', 'waiting') OR status = 'due' AND called_at IS NOT NULL
"""
# What each order paid at Stripe says that Stripe has: held, captured, given back. And those whose
# calls have not told us yet.
AT_STRIPE = """
SELECT order_id::text,
       CASE WHEN status = 'authorized' THEN amount_cents ELSE 0 END, captured_cents, refunded_cents
FROM payments_payment WHERE method = 'card'
"""
UNTOLD = """
SELECT convert_from(details, 'UTF8')::jsonb ->> 'order_id' FROM payments_intent
WHERE status IN ('due', 'claimed', 'unknown', 'waiting')
"""
# What is booked with a carrier as we know it, and as it is not known yet.
BOOKED = "SELECT reference FROM shipping_shipment WHERE status = 'booked' AND carrier <> 'in-house'"
UNTOLD_BOOKINGS = """
SELECT count(*) FROM shipping_intent WHERE status IN ('due', 'claimed', 'unknown', 'waiting')
"""
SEND_CARRIERS = "UPDATE shipping_pickup SET due_at = now()"
UNDECIDED_RETURNS = "SELECT count(*) FROM orders_return WHERE decided_at IS NULL"
UNDECIDED_WISHES = "SELECT count(*) FROM orders_cancellation WHERE decided_at IS NULL"
SWITCH_GIFTS_ON = """
INSERT INTO waffle_switch (name, active, note, created, modified)
VALUES ('gift_wrap', true, '', now(), now())
"""

# The start of a saga is gone on its way, and was told long ago.
LOSE_STARTS = "DELETE FROM orders_outboxmessage"
STARTS_ARE_LATE = """
UPDATE orders_order SET start_told_at = start_told_at - interval '1 day' WHERE status = 'placed';
UPDATE orders_cancellation SET start_told_at = start_told_at - interval '1 day'
WHERE status = 'returning';
UPDATE orders_return SET start_told_at = start_told_at - interval '1 day'
WHERE status = 'announced';
"""


class Shop:
    """What the kit asks of the world in which the sagas of a definition live."""

    environment = {"CARD_GATEWAY": "tests.standin.StandInGateway"}

    def __init__(self, owners: dict[str, psycopg.Connection], folder: Path) -> None:
        self.owners = owners
        self.platform = Platform(owners, folder)
        ledger = folder / f"gateway-{uuid4()}.db"
        self.environment = {**self.environment, "STANDIN_GATEWAY": str(ledger)}
        self.gateway = StandInGateway(ledger)
        self.folder = folder
        self._servers = ExitStack()
        self.stripe: stripe.Server | None = None
        self.carrier: carrier.Server | None = None

    def filled_in(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Settings, with the addresses of stand-ins that they name, which are started."""
        data, enter, places = f"{uuid4()}.sqlite3", self._servers.enter_context, {}
        if "STRIPE_API_BASE" in settings:
            self.stripe = enter(stripe.Server.start(self.folder / f"stripe-{data}"))
            places["stripe"] = self.stripe.address
        if "CARRIER_URL" in settings:
            self.carrier = enter(carrier.Server.start(self.folder / f"carrier-{data}"))
            places["carrier"] = self.carrier.address
        return {name: value.format_map(places) for name, value in settings.items()}

    def close(self) -> None:
        """End the stand-ins."""
        self._servers.close()

    def open(self) -> None:
        """All that orders need, plenty of it; the databases are empty."""
        self.owners["default"].execute(SWITCH_GIFTS_ON)
        open_shop(stock=1_000_000, credit_cents=10**12)

    def meet(self, scenario: Scenario, sagas: int) -> None:
        """What the outside world does to so many sagas, however often each of them calls."""
        self.refuses_goods = scenario.way.refused == RECEIVE
        for process in (PLACE_ORDER, CANCEL_ORDER, RETURN_ORDER):
            drive(scenario.way.mode, process.name)
        checks = "check_fraud" in scenario.way.wishes
        Switch.objects.update_or_create(name="check_fraud", defaults={"active": checks})
        self.gateway.forget()
        for operation, what in scenario.calls:
            self.gateway.will(operation, *[what] * sagas * 10)

    def lose_start(self) -> None:
        """Nobody has heard of what was just started, and it is time to tell it again."""
        self.owners["orders"].execute(LOSE_STARTS)
        self.owners["orders"].execute(STARTS_ARE_LATE)

    def wish(self) -> None:
        """The customer wishes to cancel what is under way."""
        wish_to_cancel()

    def send_carrier(self) -> None:
        """What waits for its carrier is fetched now."""
        self.owners["shipping"].execute(SEND_CARRIERS)

    def unanswered(self) -> int:
        """How many sagas wait for a person: for the one who receives what is sent back."""
        return Arrival.objects.filter(status=ArrivalStatus.EXPECTED).count()

    def answer(self) -> None:
        """All that is expected arrives as it was announced; or nothing does."""
        for each in Arrival.objects.filter(status=ArrivalStatus.EXPECTED):
            found = [] if self.refuses_goods else [AcceptedLine(**line) for line in each.expected]
            record_arrival(
                arrival_id=each.pk, accepted=found, version=each.version, actor=RECEIVER,
                reason="unpacked",
            )  # fmt: skip

    def under_way(self, sagas: int) -> list[str]:
        """What is not at its end, in words."""
        wishes = self.platform.count("orders", UNDECIDED_WISHES)
        returns = self.platform.count("orders", UNDECIDED_RETURNS)
        # A carrier outside is asked to come by the watchdog, which no crash of a worker needs.
        open_ends = self.platform.open_ends(sagas, carrier_comes=self.carrier is None)
        undecided = {f"{wishes} wishes are not decided": wishes, f"{returns} returns are": returns}
        return [*open_ends, *(words for words, count in undecided.items() if count)]

    def faults(self) -> Iterator[str]:
        """Where the outside world's ledgers are not ours (law I10). They may be ahead by an open
        call."""
        if self.carrier:
            yield from self._unlike_the_carrier(self.carrier.control)
        if self.stripe:
            yield from self._unlike_stripe(self.stripe.control)
            return
        theirs = given_back(self.gateway.had_effect())
        ours = self.owners["payments"].execute(CARD_EFFECTS).fetchall()
        known = [*ours, *given_back(self.owners["payments"].execute(OPEN_CALLS).fetchall())]
        yield from (f"the gateway did {each} and we do not know" for each in extra(theirs, known))
        yield from (f"we believe {each} and the gateway did not" for each in extra(ours, theirs))

    def _unlike_stripe(self, control: stripe.Control) -> Iterator[str]:
        ours = {row[0]: row[1:] for row in self.owners["payments"].execute(AT_STRIPE).fetchall()}
        untold = {row[0] for row in self.owners["payments"].execute(UNTOLD).fetchall()}
        ledger = control.ledger()
        yield from (f"Stripe charges {each} twice" for each in ledger["double_charges"])
        for order_id in {*ours, *ledger["orders"]} - untold:
            told = ledger["orders"].get(order_id, {})
            theirs = tuple(told.get(each, 0) for each in ("held", "captured", "refunded"))
            if theirs != ours.get(order_id, (0, 0, 0)):
                yield f"Stripe has {theirs} of {order_id}, we {ours.get(order_id)}"

    def _unlike_the_carrier(self, control: carrier.Control) -> Iterator[str]:
        yield from (f"{each} is booked twice" for each in control.ledger()["booked_twice"])
        theirs = {(each["reference"],) for each in control.live()}
        ours = {*self.owners["shipping"].execute(BOOKED).fetchall()}
        if theirs != ours and not self.platform.count("shipping", UNTOLD_BOOKINGS):
            yield f"the carrier has {theirs}, we {ours}"


def given_back(calls: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Calls as a payment tells of them: it does not say which saga has given it back."""
    return [(each, "give_back" if what == RETURN else what) for each, what in calls]


def extra(some: Sequence[object], others: Sequence[object]) -> list[object]:
    """What some have and others have not, or not as often."""
    return list((Counter(some) - Counter(others)).elements())
