"""Sagas as a conversation: given an order, expect a command, given its answer, expect the next.

scenario = Scenario.of_order(gift_wrap=True)
scenario.starts().expects(ReserveStock(...))
scenario.answers(StockReserved(lines=LINES)).expects(FreezePrice(...))
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

import msgspec

from apps.contracts.base import Command, Compensation, Event, Message
from apps.contracts.catalogue import Action
from apps.contracts.inventory import (
    ReserveStock,
    StockReleased,
    StockReservationFailed,
    StockReserved,
)
from apps.contracts.notifications import ConfirmationSent, Delivery, SendConfirmation
from apps.contracts.orders import ConfirmOrder, OrderCancelled, OrderConfirmed, OrderCreated
from apps.contracts.payments import (
    AuthorizePayment,
    CaptureFailed,
    CapturePayment,
    DeclineCode,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
)
from apps.contracts.plan import Mode, Plan
from apps.contracts.pricing import FreezePrice, PriceFreezeFailed, PriceFrozen, PriceUnfrozen
from apps.contracts.sagas import SagaEnded
from apps.contracts.shipping import (
    CreateShipment,
    GiftUnwrapped,
    GiftWrapped,
    GiftWrapUnavailable,
    ShipmentCancelled,
    ShipmentCreated,
    ShipmentRefused,
    WrapGift,
)
from apps.contracts.values import (
    Address,
    Line,
    PaymentMethod,
    PriceChange,
    PricedLine,
    Shortage,
)
from apps.messaging.request import Request
from apps.processes import PLACE_ORDER
from apps.sagas.course import Course, course_of, lay_out
from apps.sagas.decide import decide
from apps.sagas.state import Answer, Outcome, SagaState, Told

SAGA = UUID("0199f0f0-0000-7000-8000-000000000001")
ORDER = UUID("0199f0f0-0000-7000-8000-000000000002")
ADDRESS = Address(
    name="Ada Lovelace", street="12 St James's Square", postal_code="SW1Y 4JH", city="London",
    country="GB",
)  # fmt: skip
PRICED = (PricedLine(product_id="85123A", quantity=6, unit_price_cents=255),)
LINES = (Line(product_id="85123A", quantity=6),)
CREATED = OrderCreated(
    order_id=ORDER, customer_id=17850, currency="GBP", lines=PRICED, total_cents=1530,
    payment_method=PaymentMethod.CREDIT, gift_wrap=False, address=ADDRESS,
)  # fmt: skip

COMMANDS: dict[str, Command] = {
    "reserve_stock": ReserveStock(order_id=ORDER, lines=LINES),
    "freeze_price": FreezePrice(order_id=ORDER, currency="GBP", lines=PRICED),
    "authorize_payment": AuthorizePayment(
        order_id=ORDER, customer_id=17850, currency="GBP", total_cents=1500,
        payment_method=PaymentMethod.CREDIT,
    ),
    "wrap_gift": WrapGift(order_id=ORDER, lines=LINES),
    "create_shipment": CreateShipment(order_id=ORDER, address=ADDRESS, lines=LINES),
    "capture_payment": CapturePayment(),
    "confirm_order": ConfirmOrder(total_cents=1500),
    "send_confirmation": SendConfirmation(
        order_id=ORDER, customer_id=17850, currency="GBP", total_cents=1500
    ),
}  # fmt: skip
SUCCESSES: dict[str, Event] = {
    "create_order": CREATED,
    "reserve_stock": StockReserved(lines=LINES),
    "freeze_price": PriceFrozen(total_cents=1500),  # not what was seen: the frozen total counts
    "authorize_payment": PaymentAuthorized(
        amount_cents=1500, payment_method=PaymentMethod.CREDIT
    ),
    "wrap_gift": GiftWrapped(boxes=1),
    "create_shipment": ShipmentCreated(carrier="house", reference="P-1"),
    "capture_payment": PaymentCaptured(amount_cents=1500),
    "confirm_order": OrderConfirmed(order_id=ORDER),
    "send_confirmation": ConfirmationSent(delivery=Delivery.DELIVERED),
}  # fmt: skip
REFUSALS: dict[str, Event] = {
    "reserve_stock": StockReservationFailed(
        short=(Shortage(product_id="85123A", wanted=6, available=2),)
    ),
    "freeze_price": PriceFreezeFailed(
        changed=(PriceChange(product_id="85123A", seen_cents=255, current_cents=295),)
    ),
    "authorize_payment": PaymentDeclined(
        code=DeclineCode.INSUFFICIENT_CREDIT, wanted_cents=1500, available_cents=400
    ),
    "wrap_gift": GiftWrapUnavailable(pieces=60, most_pieces=48),
    "create_shipment": ShipmentRefused(pieces=900, most_pieces=600),
    "capture_payment": CaptureFailed(code="expired"),
}
UNDONE: dict[str, Event] = {
    "create_order": OrderCancelled(order_id=ORDER),
    "reserve_stock": StockReleased(lines=LINES),
    "freeze_price": PriceUnfrozen(total_cents=1500),
    "authorize_payment": PaymentRefunded(amount_cents=1500),
    "wrap_gift": GiftUnwrapped(boxes=1),
    "create_shipment": ShipmentCancelled(reference="P-1"),
}

PLAIN = PLACE_ORDER.plan((), Mode.ORCHESTRATED)
WRAPPED = PLACE_ORDER.plan({"gift_wrap"}, Mode.ORCHESTRATED)


@dataclass
class Scenario:
    """One saga, and what was said last."""

    course: Course
    saga: SagaState | None = None
    said: tuple[Told, ...] = ()
    outcome: Outcome | None = None
    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)

    @classmethod
    def of_order(cls, plan: Plan = PLAIN) -> Self:
        return cls(course_of(plan.to_header()))

    @classmethod
    def of(cls, definition: Any, plan: Plan) -> Self:
        return cls(lay_out(definition, plan))

    def starts(self, event: Event = CREATED) -> Self:
        return self.told(self.course.plan.steps[0], Action.DO, event)

    def told(self, step: str, action: Action, event: Event, *, generation: int = 1) -> Self:
        """Any fact at all, asked for or not."""
        request = Request(SAGA, step, action, generation, Mode.ORCHESTRATED)
        decision = decide(self.course, self.saga, Answer(request, event))
        self.saga, self.outcome, self.said = decision.saga, decision.outcome, decision.sends
        if decision.outcome:
            self.outcomes.append((step, decision.outcome))
        return self

    def answers(self, event: Event) -> Self:
        """The answer to what is pending."""
        pending = self.pending
        return self.told(pending.step, pending.action, event, generation=pending.generation)

    @property
    def pending(self) -> Request:
        assert self.saga
        assert self.saga.pending, "nothing is pending: the saga has ended"
        return self.saga.pending

    @property
    def inputs(self) -> dict[str, object]:
        assert self.saga
        return dict(msgspec.json.decode(self.saga.inputs))

    def expects(self, *messages: Message) -> Self:
        """Exactly these messages; a command is asked under the pending request."""
        assert [each.message for each in self.said] == list(messages)
        for each in self.said:
            if isinstance(each.message, Command):
                assert each.request == self.pending
        return self

    def expects_undo_of(self, step: str) -> Self:
        compensation = self.course.legs[step].step.compensation
        assert compensation
        assert self.pending == Request(SAGA, step, Action.UNDO, 1, Mode.ORCHESTRATED)
        return self.expects(compensation())

    def expects_end(self, ended: SagaEnded) -> Self:
        assert self.saga
        assert self.saga.pending is None
        assert self.saga.inputs == "{}"
        assert self.saga.status == str(ended.outcome)
        return self.expects(ended)

    def changes_nothing(self, step: str, action: Action, event: Event, generation: int = 1) -> Self:
        before = self.saga
        self.told(step, action, event, generation=generation)
        assert self.saga is before
        assert self.outcome is None
        return self.expects()

    def succeeds_at(self, steps: Iterable[str]) -> Self:
        """These steps, the first included, are done one after the other."""
        for step in steps:
            if self.saga is None:
                self.starts()
            else:
                assert self.pending.step == step
                self.answers(SUCCESSES[step])
        return self


def compensations(messages: Iterable[Told]) -> list[Compensation]:
    return [each.message for each in messages if isinstance(each.message, Compensation)]
