"""The sagas that are searched: the order's own messages, in shorter definitions.

A short one is `create_order, reserve_stock, authorize_payment, capture_payment, confirm_order`: the
first is done when the saga starts, the payment's two steps call outside, the others are local.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import msgspec

from apps.contracts import inventory, notifications, orders, payments, shipping
from apps.contracts.base import Command, Event
from apps.contracts.plan import Mode
from apps.processes import Kind, OnRefusal, Patience, Process, Step
from apps.processes.course import Course, lay_out
from tests.sagas.scenarios import REFUSALS, SUCCESSES, UNDONE

COMPENSATABLE, PIVOT, RETRIABLE = Kind
FIRST, PAYMENT, CAPTURE = "create_order", "authorize_payment", "capture_payment"
OUTSIDE = frozenset({PAYMENT, "create_shipment", CAPTURE})  # they do call; others only might
SKIPPABLE = PAYMENT

SHORT = (
    Step(FIRST, COMPENSATABLE,
         success=orders.OrderCreated, compensation=orders.CancelOrder),
    Step("reserve_stock", COMPENSATABLE, inventory.ReserveStock,
         success=inventory.StockReserved, refusal=inventory.StockReservationFailed,
         compensation=inventory.ReleaseStock),
    Step(PAYMENT, COMPENSATABLE, payments.AuthorizePayment,
         success=payments.PaymentAuthorized, refusal=payments.PaymentDeclined,
         compensation=payments.RefundPayment, substitutes=(payments.CreditInstead,),
         outside=True, skippable=True),
    Step(CAPTURE, PIVOT, payments.CapturePayment,
         success=payments.PaymentCaptured, refusal=payments.CaptureFailed, outside=True),
    Step("confirm_order", RETRIABLE, orders.ConfirmOrder,
         success=orders.OrderConfirmed, outside=True),
)  # fmt: skip
SHIPMENT = Step(
    "create_shipment", COMPENSATABLE, shipping.CreateShipment,
    success=shipping.ShipmentCreated, refusal=shipping.ShipmentRefused,
    compensation=shipping.CancelShipment, outside=True,
)  # fmt: skip
CONFIRMATION = Step(
    "send_confirmation", RETRIABLE, notifications.SendConfirmation,
    success=notifications.ConfirmationSent, outside=True,
)  # fmt: skip
LONG = (*SHORT[:3], SHIPMENT, *SHORT[3:], CONFIRMATION)


class Searched(NamedTuple):
    """A definition as the engine sees it, and what its steps can answer."""

    course: Course
    successes: Mapping[str, Event]
    refusals: Mapping[str, Event]
    undone: Mapping[str, Event]

    @property
    def steps(self) -> tuple[str, ...]:
        return self.course.plan.steps

    def kind(self, step: str) -> Kind:
        return self.course.legs[step].step.kind

    @property
    def mode(self) -> Mode:
        return self.course.plan.mode

    def command(self, step: str) -> Command:
        """What the step is asked with; of the inputs only the order's own matter here."""
        reader = self.course.legs[step].reader
        assert reader
        return reader.decode(msgspec.json.encode(SUCCESSES[FIRST]))

    @property
    def compensatable(self) -> list[str]:
        return [step for step in self.steps if self.kind(step) is COMPENSATABLE]

    @property
    def outside(self) -> list[str]:
        return [step for step in self.steps if step in OUTSIDE]


def searched(
    steps: tuple[Step, ...], *, waits: bool, attempts: int, mode: Mode = Mode.ORCHESTRATED
) -> Searched:
    """A definition of these steps, in which refusals may wait for a decision."""
    patience = Patience(attempts=attempts)
    given = tuple(_patient(step, patience, waits=waits) for step in steps)
    definition = Process("searched", 1, given)
    course = lay_out(definition, definition.plan((), mode))
    return Searched(course, SUCCESSES, REFUSALS, UNDONE)


def _patient(step: Step, patience: Patience, *, waits: bool) -> Step:
    step = replace(step, patience=patience)
    if not waits or step.refusal is None:
        return step
    return replace(step, on_refusal=OnRefusal.WAIT, decide_within=600)
