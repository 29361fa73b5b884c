"""Compensations that keep failing stand on the desk; the others go on, and the saga is stuck until
all are settled."""

from datetime import UTC, datetime

from apps.contracts.catalogue import Action
from apps.contracts.orders import CancelOrder
from apps.contracts.payments import CreditInstead, PaymentRefunded, RefundPayment
from apps.contracts.pricing import UnfreezePrice
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.sagas import SagaEnded
from apps.contracts.steps import ResolveOutside, StepWaits, UndoneByHand, UndoRefused
from apps.sagas.state import (
    Concern,
    OnDesk,
    Outcome,
    Resolve,
    Retry,
    Status,
    Substitute,
    concerns,
)
from tests.sagas.scenarios import PLAIN, REFUSALS, UNDONE, Scenario

NO = "The bank refuses for good"
NOT_ON_DESK = "The undoing of {} does not stand on the desk."


def refunding() -> Scenario:
    """An order whose shipment was refused; its payment is being given back."""
    done = PLAIN.steps[:4]
    scenario = Scenario.of_order().succeeds_at(done).answers(REFUSALS["create_shipment"])
    return scenario.expects_undo_of("authorize_payment")


def only_the_desk_is_open() -> Scenario:
    """All is undone but the payment, whose refund nobody has answered."""
    scenario = refunding().times_out()
    for step in ("freeze_price", "reserve_stock", "create_order"):
        scenario.answers(UNDONE[step])
    return scenario


# --- onto the desk


def test_a_compensation_that_keeps_failing_stands_on_the_desk_and_the_others_go_on() -> None:
    scenario = refunding().times_out()

    scenario.expects_undo_of("freeze_price").stands(Status.STUCK)
    assert scenario.desk == (OnDesk("authorize_payment", generation=1, attempt=5),)
    assert scenario.saga
    assert concerns(scenario.saga) == {Concern("authorize_payment", Action.UNDO)}
    assert (scenario.wait, scenario.desk_wait) == (10, 300)
    scenario.notes_that(("stuck", "No answer after 5 sendings"))


def test_a_refused_compensation_stands_on_the_desk_at_once() -> None:
    scenario = refunding().undo_is_refused(NO)

    scenario.expects_undo_of("freeze_price").stands(Status.STUCK)
    assert scenario.desk == (OnDesk("authorize_payment", generation=1, attempt=1, refused=True),)
    assert (scenario.wait, scenario.desk_wait) == (10, 300)
    assert scenario.outcome is Outcome.UNDO_REFUSED
    scenario.notes_that(("undo_refused", NO))


def test_a_saga_is_stuck_until_all_is_settled() -> None:
    scenario = refunding().times_out()

    for step in ("freeze_price", "reserve_stock", "create_order"):
        scenario.stands(Status.STUCK).expects_undo_of(step).answers(UNDONE[step])

    scenario.expects().stands(Status.STUCK)
    assert scenario.saga
    assert scenario.saga.pending is None
    scenario.answers_on_desk("authorize_payment", UNDONE["authorize_payment"])
    scenario.expects_end(
        SagaEnded(process="place_order", outcome=Ending.UNDONE, refused_step="create_shipment")
    )
    assert scenario.desk == ()


def test_the_first_step_may_be_the_only_thing_on_the_desk() -> None:
    scenario = Scenario.of_order().starts().answers(REFUSALS["reserve_stock"])

    scenario.times_out().expects().stands(Status.STUCK)

    assert [each.step for each in scenario.desk] == ["create_order"]
    assert scenario.desk_wait == 300
    scenario.answers_on_desk("create_order", UNDONE["create_order"]).stands(Status.UNDONE)


def test_several_may_stand_there_and_are_settled_in_any_order() -> None:
    scenario = refunding().times_out().times_out().undo_is_refused("Sold meanwhile")
    scenario.answers(UNDONE["create_order"]).expects().stands(Status.STUCK)
    assert [each.step for each in scenario.desk] == [
        "authorize_payment",
        "freeze_price",
        "reserve_stock",
    ]

    scenario.answers_on_desk("freeze_price", UNDONE["freeze_price"]).expects()
    scenario.stands(Status.STUCK)
    scenario.answers_on_desk("reserve_stock", UndoneByHand()).expects().stands(Status.STUCK)
    scenario.answers_on_desk("authorize_payment", UNDONE["authorize_payment"])

    scenario.stands(Status.UNDONE)


# --- off the desk by itself


def test_a_late_genuine_answer_leaves_the_desk() -> None:
    scenario = refunding().times_out()
    pending = scenario.pending

    scenario.answers_on_desk("authorize_payment", UNDONE["authorize_payment"])

    scenario.expects().stands(Status.COMPENSATING)
    assert scenario.desk == ()
    assert scenario.pending == pending
    assert scenario.outcome is Outcome.UNDONE
    scenario.changes_nothing("authorize_payment", Action.UNDO, UNDONE["authorize_payment"])
    scenario.answers(UNDONE["freeze_price"]).expects_undo_of("reserve_stock")


def test_nothing_to_undo_leaves_it_too() -> None:
    scenario = only_the_desk_is_open()

    scenario.answers_on_desk("authorize_payment", PaymentRefunded(nothing_to_undo=True))

    scenario.stands(Status.UNDONE)
    assert scenario.outcome is Outcome.NOTHING_TO_UNDO


def test_an_answer_of_a_later_generation_leaves_nothing() -> None:
    undone = UNDONE["authorize_payment"]
    only_the_desk_is_open().changes_nothing("authorize_payment", Action.UNDO, undone, 2)


def test_what_stands_there_may_say_that_it_waits() -> None:
    scenario = only_the_desk_is_open()
    before = scenario.saga
    until = datetime(2026, 3, 1, 12, tzinfo=UTC)

    later = StepWaits(until=until, reason="The bank is closed")
    scenario.answers_on_desk("authorize_payment", later).expects()

    assert scenario.saga is before
    assert (scenario.outcome, scenario.wait) == (Outcome.WAITS, None)
    scenario.notes_that(("waits", "The bank is closed"))


# --- asked again


def test_what_stands_there_is_asked_again() -> None:
    scenario = only_the_desk_is_open()

    for attempt in (6, 7):
        scenario.desk_is_due().expects_of_desk(("authorize_payment", 1, RefundPayment()))
        assert scenario.desk == (OnDesk("authorize_payment", 1, attempt),)
        assert (scenario.wait, scenario.desk_wait) == (None, 300)
    scenario.stands(Status.STUCK)


def test_what_was_refused_is_not_asked_again_by_itself() -> None:
    scenario = refunding().undo_is_refused(NO).times_out()

    scenario.desk_is_due().expects_of_desk(("freeze_price", 1, UnfreezePrice()))

    assert [(each.step, each.attempt) for each in scenario.desk] == [
        ("authorize_payment", 1),
        ("freeze_price", 5),
    ]
    assert scenario.desk_wait == 300


def test_an_empty_desk_is_never_due() -> None:
    scenario = refunding()
    before = scenario.saga

    scenario.desk_is_due().expects()

    assert scenario.saga is before
    assert scenario.desk_wait is None


# --- what a person does


def test_a_retry_of_what_was_not_answered_keeps_the_generation() -> None:
    scenario = only_the_desk_is_open().retries("authorize_payment")

    scenario.expects_of_desk(("authorize_payment", 1, RefundPayment())).stands(Status.STUCK)
    assert scenario.desk == (OnDesk("authorize_payment", generation=1, attempt=6),)
    scenario.notes_that(("sent_again", "Sending 6"))


def test_a_retry_of_what_was_refused_raises_the_generation() -> None:
    scenario = refunding().undo_is_refused(NO).retries("authorize_payment")

    scenario.expects_of_desk(("authorize_payment", 2, RefundPayment()))
    assert scenario.desk == (OnDesk("authorize_payment", generation=2, attempt=2),)
    scenario.changes_nothing("authorize_payment", Action.UNDO, UndoRefused(reason=NO), 1)
    scenario.answers_on_desk("authorize_payment", UNDONE["authorize_payment"])
    assert scenario.stands(Status.COMPENSATING).desk == ()


def test_a_retry_may_be_refused_again() -> None:
    scenario = refunding().undo_is_refused(NO).retries("authorize_payment")

    scenario.answers_on_desk("authorize_payment", UndoRefused(reason=NO)).expects()

    assert scenario.desk == (OnDesk("authorize_payment", generation=2, attempt=2, refused=True),)
    scenario.notes_that(("undo_refused", NO)).stands(Status.STUCK)
    scenario.retries("authorize_payment")
    scenario.expects_of_desk(("authorize_payment", 3, RefundPayment()))


def test_what_goes_on_meanwhile_may_be_retried_too() -> None:
    scenario = refunding().times_out().retries("freeze_price")

    scenario.expects_undo_of("freeze_price").stands(Status.STUCK)
    assert scenario.wait == 20


def test_a_compensation_that_was_made_outside_is_told_to_its_service() -> None:
    scenario = only_the_desk_is_open().resolves("authorize_payment", "Bank letter 17")

    told = ResolveOutside(evidence="Bank letter 17")
    scenario.expects_of_desk(("authorize_payment", 2, told)).stands(Status.STUCK)
    scenario.notes_that(("sent_again", "ResolveOutside"))
    scenario.desk_is_due().expects_of_desk(("authorize_payment", 2, told))
    scenario.answers_on_desk("authorize_payment", UndoneByHand(evidence="Bank letter 17"))
    scenario.stands(Status.UNDONE)
    assert scenario.outcome is Outcome.UNDONE


def test_what_had_been_undone_before_the_letter_came_counts_as_well() -> None:
    scenario = only_the_desk_is_open().resolves("authorize_payment", "Bank letter 17")

    scenario.answers_on_desk("authorize_payment", UNDONE["authorize_payment"])

    scenario.stands(Status.UNDONE)


def test_where_nothing_had_been_done_nothing_was_undone_by_hand_either() -> None:
    scenario = only_the_desk_is_open().resolves("authorize_payment", "Bank letter 17")

    scenario.answers_on_desk("authorize_payment", UndoneByHand(nothing_to_undo=True))

    assert scenario.stands(Status.UNDONE).outcome is Outcome.NOTHING_TO_UNDO


def test_a_substitute_is_asked_in_place_of_the_compensation() -> None:
    scenario = refunding().undo_is_refused(NO).substitutes("authorize_payment", "CreditInstead")

    scenario.expects_of_desk(("authorize_payment", 2, CreditInstead())).stands(Status.STUCK)
    scenario.desk_is_due().expects_of_desk(("authorize_payment", 2, CreditInstead()))
    scenario.retries("authorize_payment")
    scenario.expects_of_desk(("authorize_payment", 2, CreditInstead()))
    scenario.answers_on_desk("authorize_payment", UNDONE["authorize_payment"])
    assert scenario.stands(Status.COMPENSATING).desk == ()


def test_after_a_refused_substitute_the_compensation_itself_is_asked_again() -> None:
    scenario = refunding().undo_is_refused(NO).substitutes("authorize_payment", "CreditInstead")

    scenario.answers_on_desk("authorize_payment", UndoRefused(reason="No account"))
    scenario.retries("authorize_payment")

    scenario.expects_of_desk(("authorize_payment", 3, RefundPayment()))


def test_only_what_stands_on_the_desk_is_resolved_or_substituted() -> None:
    scenario = refunding()

    scenario.forbids(Resolve("authorize_payment", "x"), NOT_ON_DESK.format("authorize_payment"))
    scenario.forbids(
        Substitute("authorize_payment", "CreditInstead"), NOT_ON_DESK.format("authorize_payment")
    )
    scenario.times_out()
    scenario.forbids(Resolve("freeze_price", "x"), NOT_ON_DESK.format("freeze_price"))


def test_only_a_substitute_of_the_step_is_taken() -> None:
    scenario = only_the_desk_is_open()

    scenario.forbids(
        Substitute("authorize_payment", "CancelOrder"),
        "CancelOrder is no substitute of authorize_payment; there are: CreditInstead.",
    )
    scenario.forbids(
        Substitute("freeze_price", "CreditInstead"),
        "CreditInstead is no substitute of freeze_price; there are: none.",
    )


def test_where_only_the_desk_is_open_only_what_stands_there_is_retried() -> None:
    only_the_desk_is_open().forbids(
        Retry("freeze_price"),
        "Nothing else can be retried: it waits only for what stands on the desk "
        "(authorize_payment), which can be retried, resolved or substituted.",
    )


# --- the end


def test_nothing_changes_once_the_desk_is_empty_and_all_is_undone() -> None:
    scenario = only_the_desk_is_open()
    scenario.answers_on_desk("authorize_payment", UNDONE["authorize_payment"])

    scenario.changes_nothing("authorize_payment", Action.UNDO, UNDONE["authorize_payment"])
    scenario.forbids(
        Resolve("authorize_payment", "x"), NOT_ON_DESK.format("authorize_payment")
    ).stands(Status.UNDONE)


def test_the_order_itself_may_stand_there_and_be_cancelled_late() -> None:
    scenario = Scenario.of_order().starts().answers(REFUSALS["reserve_stock"]).times_out()

    scenario.desk_is_due().expects_of_desk(("create_order", 1, CancelOrder()))
    scenario.answers_on_desk("create_order", UNDONE["create_order"])

    scenario.expects_end(
        SagaEnded(process="place_order", outcome=Ending.UNDONE, refused_step="reserve_stock")
    )
