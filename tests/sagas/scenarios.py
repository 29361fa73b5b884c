"""Sagas as a conversation: given an order, expect a command, given its answer, expect the next.

scenario = Scenario.of_order(WRAPPED)
scenario.starts().expects(ReserveStock(...))
scenario.answers(StockReserved(lines=LINES)).expects(FreezePrice(...))
scenario.times_out().expects_undo_of("freeze_price").stands(Status.COMPENSATING)
scenario.forbids(Skip("freeze_price"), "freeze_price cannot be skipped: ...")
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import msgspec
import pytest

from apps.contracts.base import Command, Event, Message
from apps.contracts.catalogue import Action
from apps.contracts.fraud import FraudCheckLifted, FraudCleared, FraudSuspected
from apps.contracts.inventory import (
    ReserveStock,
    StockFreed,
    StockReleased,
    StockReservationFailed,
    StockReserved,
)
from apps.contracts.notifications import (
    CancellationSent,
    ConfirmationSent,
    Delivery,
    SendConfirmation,
)
from apps.contracts.orders import (
    CancellationBegun,
    CancellationRefused,
    ConfirmedOrderCancelled,
    ConfirmOrder,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
)
from apps.contracts.payments import (
    AuthorizePayment,
    CaptureFailed,
    CapturePayment,
    DeclineCode,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentReturned,
)
from apps.contracts.plan import Mode, Plan
from apps.contracts.pricing import (
    FreezePrice,
    PriceFreezeFailed,
    PriceFrozen,
    PriceUnfrozen,
    PriceWithdrawn,
)
from apps.contracts.sagas import CancelAccepted, CancelTooLate, SagaEnded
from apps.contracts.shipping import (
    CreateShipment,
    GiftUnpacked,
    GiftUnwrapped,
    GiftWrapped,
    GiftWrapUnavailable,
    ShipmentCancelled,
    ShipmentCreated,
    ShipmentNotRecalled,
    ShipmentRecalled,
    ShipmentRefused,
    WrapGift,
)
from apps.contracts.steps import Fenced, Happened, StepWaits, UndoRefused
from apps.contracts.values import (
    Address,
    Line,
    PaymentMethod,
    PriceChange,
    PricedLine,
    Shortage,
)
from apps.messaging.request import Request
from apps.processes import PLACE_ORDER, Process, Step
from apps.processes.course import Course, course_of, lay_out
from apps.sagas.decide import decide
from apps.sagas.errors import MoveNotAllowed
from apps.sagas.state import (
    Answer,
    Compensate,
    DeskOverdue,
    Move,
    Note,
    OnDesk,
    Outcome,
    Overdue,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    Retry,
    SagaState,
    Said,
    Skip,
    Status,
    Substitute,
    Told,
    Wish,
)

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
    # of version 2
    "check_fraud": FraudCleared(by_person=False),
    # of the saga that takes a confirmed order back
    "begin_cancellation": CancellationBegun(
        order_id=ORDER, customer_id=17850, placed_by=SAGA, currency="GBP", total_cents=1500
    ),
    "recall_shipment": ShipmentRecalled(reference="P-1"),
    "return_payment": PaymentReturned(amount_cents=1500),
    "unpack_gift": GiftUnpacked(boxes=1),
    "withdraw_price": PriceWithdrawn(total_cents=1500),
    "free_stock": StockFreed(lines=LINES),
    "cancel_confirmed_order": ConfirmedOrderCancelled(order_id=ORDER),
    "send_cancellation": CancellationSent(delivery=Delivery.DELIVERED),
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
    "check_fraud": FraudSuspected(),
    "recall_shipment": ShipmentNotRecalled(carrier="house", reference="P-1"),
}
UNDONE: dict[str, Event] = {
    "create_order": OrderCancelled(order_id=ORDER),
    "reserve_stock": StockReleased(lines=LINES),
    "freeze_price": PriceUnfrozen(total_cents=1500),
    "authorize_payment": PaymentRefunded(amount_cents=1500),
    "wrap_gift": GiftUnwrapped(boxes=1),
    "create_shipment": ShipmentCancelled(reference="P-1"),
    "check_fraud": FraudCheckLifted(),
    "begin_cancellation": CancellationRefused(order_id=ORDER),
}

PLAIN = PLACE_ORDER.plan((), Mode.ORCHESTRATED)
BY_EVENTS = PLACE_ORDER.plan((), Mode.CHOREOGRAPHED)
WRAPPED = PLACE_ORDER.plan({"gift_wrap"}, Mode.ORCHESTRATED)


def with_step(definition: Process, name: str, **changes: Any) -> Process:
    """The definition, in which one step is another."""

    def changed(step: Step) -> Step:
        return replace(step, **changes) if step.name == name else step

    return replace(definition, steps=tuple(map(changed, definition.steps)))


NEWS = (CancelAccepted, CancelTooLate)


@dataclass
class Scenario:
    """One saga, and what was said last."""

    course: Course
    saga: SagaState | None = None
    said: tuple[Told, ...] = ()
    news: list[Message] = field(default_factory=list)  # of a wish to cancel, since the start
    outcome: Outcome | None = None
    wait: float | datetime | None = None
    desk_wait: float | None = None
    notes: tuple[Note, ...] = ()
    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)

    @classmethod
    def of_order(cls, plan: Plan = PLAIN) -> Self:
        return cls(course_of(plan.to_header()))

    @classmethod
    def of(cls, definition: Any, plan: Plan) -> Self:
        return cls(lay_out(definition, plan))

    def starts(self, event: Event = CREATED) -> Self:
        return self.told(self.course.plan.steps[0], Action.DO, event)

    def says(self, said: Said) -> Self:
        """Anything that can be said to a saga."""
        decision = decide(self.course, self.saga, said)
        self.saga, self.outcome = decision.saga, decision.outcome
        self.said = tuple(each for each in decision.sends if not isinstance(each.message, NEWS))
        self.news += [each.message for each in decision.sends if isinstance(each.message, NEWS)]
        self.wait, self.desk_wait, self.notes = decision.wait, decision.desk_wait, decision.notes
        return self

    # --- answers

    def told(
        self,
        step: str,
        action: Action,
        event: Event,
        *,
        generation: int = 1,
        mode: Mode = Mode.ORCHESTRATED,
    ) -> Self:
        """Any fact at all, asked for or not."""
        self.says(Answer(Request(SAGA, step, action, generation, mode), event))
        if self.outcome:
            self.outcomes.append((step, self.outcome))
        return self

    def happens(self, step: str, event: Event, action: Action = Action.DO) -> Self:
        """A service tells a fact of a saga that events drive."""
        return self.told(step, action, event, mode=Mode.CHOREOGRAPHED)

    def answers(self, event: Event) -> Self:
        """The answer to what is pending."""
        pending = self.pending
        return self.told(pending.step, pending.action, event, generation=pending.generation)

    def answers_on_desk(self, step: str, event: Event) -> Self:
        """The answer to what stands on the desk."""
        [asked] = [each for each in self.desk if each.step == step]
        return self.told(step, Action.UNDO, event, generation=asked.generation)

    def waits(self, until: datetime, reason: str) -> Self:
        return self.answers(StepWaits(until=until, reason=reason))

    def undo_is_refused(self, reason: str) -> Self:
        return self.answers(UndoRefused(reason=reason))

    def is_fenced(self) -> Self:
        return self.answers(Fenced())

    def happened(self, event: Event) -> Self:
        """What a Fence is answered where the step has told this event."""
        told = msgspec.Raw(msgspec.json.encode(event))
        name = type(event).__name__
        return self.answers(Happened(type=name, event_version=event.version, event=told))

    # --- time

    def is_overdue(self, *, past_deadline: bool = False, restrained: bool = False) -> Self:
        return self.says(Overdue(self.pending, past_deadline, restrained))

    def past_deadline(self) -> Self:
        return self.is_overdue(past_deadline=True)

    def times_out(self) -> Self:
        """What is pending is sent as often as it may be, and overdue after the last time too."""
        attempts = self.course.legs[self.pending.step].step.patience.attempts
        while self.saga and self.saga.attempt < attempts:
            self.is_overdue()
        return self.is_overdue()

    def desk_is_due(self) -> Self:
        return self.says(DeskOverdue())

    # --- people

    def wishes_to_cancel(self, reason: str) -> Self:
        return self.says(Wish(reason))

    def compensates(self, reason: str) -> Self:
        return self.says(Compensate(reason))

    def retries(self, step: str) -> Self:
        return self.says(Retry(step))

    def skips(self, step: str) -> Self:
        return self.says(Skip(step))

    def pauses(self) -> Self:
        return self.says(Pause())

    def resumes(self, *, past_deadline: bool = False) -> Self:
        return self.says(Resume(past_deadline))

    def resolves(self, step: str, evidence: str) -> Self:
        return self.says(Resolve(step, evidence))

    def substitutes(self, step: str, command: str) -> Self:
        return self.says(Substitute(step, command))

    def records(self, step: str, evidence: str) -> Self:
        return self.says(RecordOutcome(step, evidence))

    def forbids(self, move: Move, words: str) -> Self:
        """The move is refused in these words, and nothing changes."""
        before = (self.saga, self.said)
        with pytest.raises(MoveNotAllowed) as refused:
            self.says(move)
        assert str(refused.value) == words
        assert (self.saga, self.said) == before
        return self

    # --- what is so

    @property
    def pending(self) -> Request:
        assert self.saga
        assert self.saga.pending, "nothing is pending: the saga has ended"
        return self.saga.pending

    @property
    def inputs(self) -> dict[str, object]:
        assert self.saga
        return dict(msgspec.json.decode(self.saga.inputs))

    @property
    def desk(self) -> tuple[OnDesk, ...]:
        assert self.saga
        return self.saga.detours.desk

    @property
    def asked(self) -> list[tuple[str, Action, int]]:
        """Under which requests something was sent."""
        return [(it.step, it.action, it.generation) for it in (each.request for each in self.said)]

    def expects(self, *messages: Message) -> Self:
        """Exactly these messages; a command is asked under the pending request."""
        assert [each.message for each in self.said] == list(messages)
        for each in self.said:
            if isinstance(each.message, Command):
                assert each.request == self.pending
        return self

    def expects_undo_of(self, step: str, *, generation: int = 1) -> Self:
        compensation = self.course.legs[step].step.compensation
        assert compensation
        assert self.pending == Request(SAGA, step, Action.UNDO, generation, Mode.ORCHESTRATED)
        return self.expects(compensation())

    def expects_of_desk(self, *asked: tuple[str, int, Message]) -> Self:
        """Exactly these (step, generation, message) are asked of what stands on the desk."""
        assert self.asked == [(step, Action.UNDO, generation) for step, generation, _ in asked]
        assert [each.message for each in self.said] == [message for *_, message in asked]
        return self

    def stands(self, status: Status) -> Self:
        assert self.saga
        assert self.saga.status is status
        return self

    def tells_who_wished(self, *news: Message) -> Self:
        """Exactly this was told of the wish to cancel, from the start until now."""
        assert self.news == list(news)
        return self

    def notes_that(self, *notes: tuple[str, str]) -> Self:
        """Exactly these (kind, text) are for the timeline."""
        assert [(each.kind, each.text) for each in self.notes] == list(notes)
        return self

    def expects_end(self, ended: SagaEnded) -> Self:
        assert self.saga
        assert self.saga.pending is None
        assert self.saga.inputs == "{}"
        assert self.saga.status == str(ended.outcome)
        return self.expects(ended)

    def ignores(self, said: Said) -> Self:
        """It is said, and nothing follows."""
        before = self.saga
        self.says(said)
        assert self.saga is before
        assert (self.outcome, self.wait, self.desk_wait, self.notes) == (None, None, None, ())
        return self.expects()

    def changes_nothing(self, step: str, action: Action, event: Event, generation: int = 1) -> Self:
        """A fact that nobody waits for."""
        request = Request(SAGA, step, action, generation, Mode.ORCHESTRATED)
        return self.ignores(Answer(request, event))

    def succeeds_at(self, steps: Iterable[str]) -> Self:
        """These steps, the first included, are done one after the other."""
        for step in steps:
            if self.saga is None:
                self.starts()
            else:
                assert self.pending.step == step
                self.answers(SUCCESSES[step])
        return self
