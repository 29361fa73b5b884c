"""What an event asks of the step beside it."""

from itertools import pairwise

import pytest

from apps.contracts import inventory, notifications, orders, payments, pricing, shipping
from apps.contracts.base import Message, context_of
from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.contracts.steps import Fenced, StepWaits
from apps.processes import CANCEL_ORDER, PLACE_ORDER, Process
from apps.processes.choreography import Asked, asked_by, events_beside
from apps.processes.errors import NoDefinition

DO, UNDO, FENCE = Action.DO, Action.UNDO, Action.FENCE
PLAIN = PLACE_ORDER.plan((), Mode.CHOREOGRAPHED)
WRAPPED = PLACE_ORDER.plan({"gift_wrap"}, Mode.CHOREOGRAPHED)


@pytest.mark.parametrize("definition", [PLACE_ORDER, CANCEL_ORDER], ids=lambda each: each.name)
def test_each_success_asks_the_following_step(definition: Process) -> None:
    plan = definition.plan(definition.wishes, Mode.CHOREOGRAPHED)
    for earlier, later in pairwise(plan.steps):
        success, command = definition.step(earlier).success, definition.step(later).command
        assert command
        assert asked_by(plan.to_header(), earlier, DO, success) == Asked(later, DO, command)


def test_each_refusal_and_each_undoing_asks_the_step_before_to_be_undone() -> None:
    for earlier, later in pairwise(PLAIN.steps[:6]):
        step, undo = PLACE_ORDER.step(later), PLACE_ORDER.step(earlier).compensation
        assert undo
        assert step.refusal
        asked = Asked(earlier, UNDO, undo)
        assert asked_by(PLAIN.to_header(), later, DO, step.refusal) == asked
        if step.compensation:
            told = step.compensation.answer
            assert asked_by(PLAIN.to_header(), later, UNDO, told) == asked


@pytest.mark.parametrize(
    ("plan", "asked"),
    [
        (PLAIN, Asked("create_shipment", DO, shipping.CreateShipment)),
        (WRAPPED, Asked("wrap_gift", DO, shipping.WrapGift)),
    ],
    ids=["plain", "wrapped"],
)
def test_the_plan_says_which_step_comes_next(plan: object, asked: Asked) -> None:
    header = plan.to_header()  # type: ignore[attr-defined]
    assert asked_by(header, "authorize_payment", DO, payments.PaymentAuthorized) == asked


@pytest.mark.parametrize(
    ("step", "action", "event"),
    [
        ("send_confirmation", DO, notifications.ConfirmationSent),  # the last of all
        ("create_order", UNDO, orders.OrderCancelled),  # the last undoing
        ("hand_over", DO, shipping.ShipmentHandedOver),  # a reaction, in no plan
        ("wrap_gift", DO, shipping.GiftWrapped),  # in another plan
        ("reserve_stock", DO, StepWaits),
        ("capture_payment", FENCE, Fenced),
        ("reserve_stock", UNDO, inventory.StockReserved),  # no answer to that
        ("reserve_stock", DO, pricing.PriceFrozen),  # another step's
    ],
)
def test_nothing_follows_from_it(step: str, action: Action, event: type[Message]) -> None:
    assert asked_by(PLAIN.to_header(), step, action, event) is None


def test_a_plan_of_a_version_that_is_not_here_is_told() -> None:
    header = PLAIN.to_header().replace("/1/", "/99/")
    with pytest.raises(NoDefinition, match="version 99"):
        asked_by(header, "create_order", DO, orders.OrderCreated)


@pytest.mark.parametrize(
    ("context", "events"),
    [
        ("inventory", {"OrderCreated", "PriceFreezeFailed", "PriceUnfrozen"}),
        ("orders", {"PaymentCaptured", "StockReservationFailed", "StockReleased"}),
        ("notifications", {"OrderConfirmed"}),
        ("sagas", set()),
    ],
)  # fmt: skip
def test_a_context_hears_its_neighbours_only(context: str, events: set[str]) -> None:
    found = events_beside(context, (PLACE_ORDER,))
    assert {each.__name__ for each in found} == events


@pytest.mark.parametrize("definition", [PLACE_ORDER, CANCEL_ORDER], ids=lambda each: each.name)
def test_whatever_asks_is_heard_by_whom_it_asks(definition: Process) -> None:
    for wishes in ((), definition.wishes):
        plan = definition.plan(wishes, Mode.CHOREOGRAPHED)
        for name in plan.steps:
            step = definition.step(name)
            undone = step.compensation.answer if step.compensation else None
            for event, action in ((step.success, DO), (step.refusal, DO), (undone, UNDO)):
                asked = event and asked_by(plan.to_header(), name, action, event)
                if asked:
                    assert event in events_beside(context_of(asked.command))
