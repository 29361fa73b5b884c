"""A batch on a real database: each effect once, in any order."""

from functools import partial

import pytest

from apps.contracts.inventory import StockReleased, StockReservationFailed, StockReserved
from apps.contracts.plan import Mode
from apps.contracts.values import Line, Shortage
from apps.messaging.consumer import carry_out
from tests.messaging.kit import Shelf, handed_over, new_saga, release, reserve
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
TEA = (Line(product_id="tea", quantity=1),)


def test_an_action_is_done_and_answered(shelf: Shelf) -> None:
    saga = new_saga()
    assert carry_out("inventory", [reserve(saga)]) == []
    assert shelf.levels() == (9, 1, 0)
    assert shelf.log(saga) == {"reserve_stock": ("done", 1)}
    assert shelf.messages() == [StockReserved(lines=TEA)]
    assert shelf.notes(saga) == []


def test_an_answer_carries_every_header(shelf: Shelf) -> None:
    saga = new_saga()
    asked = reserve(saga, generation=1)
    carry_out("inventory", [asked])
    [(_, told)] = shelf.answers()
    assert asked.envelope
    assert told["causation_id"] == str(asked.envelope.message_id)
    assert told["message_id"] not in (told["causation_id"], "")
    assert {name: told[name] for name in told if name not in ("message_id", "causation_id")} == {
        "saga_id": str(saga),
        "step_id": "reserve_stock",
        "action": "do",
        "type": "StockReserved",
        "version": "1",
        "generation": "1",
        "mode": "orchestrated",
        "plan": asked.envelope.plan,
        "traceparent": asked.envelope.traceparent,
        "baggage": f"saga_id={saga}",
    }


def test_a_refusal_changes_nothing_and_says_what_is_short(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga, quantity=11)])
    assert shelf.levels() == (10, 0, 0)
    assert shelf.log(saga) == {"reserve_stock": ("refused", 1)}
    short = Shortage(product_id="tea", wanted=11, available=10)
    assert shelf.messages() == [StockReservationFailed(short=(short,))]


def test_a_compensation_undoes_and_answers(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga)])
    carry_out("inventory", [release(saga)])
    assert shelf.levels() == (10, 0, 0)
    assert shelf.log(saga) == {"reserve_stock": ("undone", 1)}
    assert shelf.messages() == [StockReserved(lines=TEA), StockReleased(lines=TEA)]


def test_the_same_command_in_one_batch_is_done_and_answered_once(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga), reserve(saga)])
    assert shelf.levels() == (9, 1, 0)
    assert shelf.messages() == [StockReserved(lines=TEA)]
    assert shelf.notes(saga) == [("do", "duplicate")]


def test_the_same_command_in_two_batches_is_done_once_and_answered_again(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga)])
    carry_out("inventory", [reserve(saga)])
    assert shelf.levels() == (9, 1, 0)
    assert shelf.messages() == [StockReserved(lines=TEA)] * 2
    assert shelf.notes(saga) == [("do", "answered_again")]


def test_a_refusal_is_answered_again_though_the_stock_has_come(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga, quantity=11)])
    shelf.stock("tea", 5)
    carry_out("inventory", [reserve(saga, quantity=11)])
    assert shelf.levels() == (15, 0, 0)
    assert [type(each) for each in shelf.messages()] == [StockReservationFailed] * 2


def test_a_higher_generation_runs_after_a_refusal(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga, quantity=11)])
    shelf.stock("tea", 5)
    carry_out("inventory", [reserve(saga, quantity=11, generation=2)])
    assert shelf.levels() == (4, 11, 0)
    assert shelf.log(saga) == {"reserve_stock": ("done", 2)}


def test_a_lower_generation_gets_no_answer(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga, quantity=11, generation=2)])
    carry_out("inventory", [reserve(saga, quantity=1, generation=1)])
    assert shelf.levels() == (10, 0, 0)
    assert len(shelf.messages()) == 1
    assert shelf.notes(saga) == [("do", "late")]


def test_a_redelivered_event_is_answered_by_nothing(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga, mode=Mode.CHOREOGRAPHED)])
    carry_out("inventory", [reserve(saga, mode=Mode.CHOREOGRAPHED)])
    assert shelf.levels() == (9, 1, 0)
    assert len(shelf.messages()) == 1
    assert shelf.notes(saga) == [("do", "duplicate")]


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
def test_a_compensation_before_its_action_leaves_a_tombstone(shelf: Shelf, together: bool) -> None:
    saga = new_saga()
    messages = [release(saga), reserve(saga)]
    for batch in [messages] if together else [[each] for each in messages]:
        carry_out("inventory", batch)
    assert shelf.levels() == (10, 0, 0)
    assert shelf.log(saga) == {"reserve_stock": ("tombstone", 1)}
    assert shelf.messages() == [StockReleased(nothing_to_undo=True)]
    assert shelf.notes(saga) == [("undo", "nothing_to_undo"), ("do", "late")]


def test_an_action_and_its_compensation_in_one_batch_go_one_after_the_other(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga), release(saga)])
    assert shelf.levels() == (10, 0, 0)
    assert shelf.log(saga) == {"reserve_stock": ("undone", 1)}
    assert shelf.messages() == [StockReserved(lines=TEA), StockReleased(lines=TEA)]


def test_a_compensation_of_a_refused_step_buries_it(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga, quantity=11)])
    carry_out("inventory", [release(saga)])
    assert shelf.log(saga) == {"reserve_stock": ("tombstone", 1)}
    assert shelf.messages()[1] == StockReleased(nothing_to_undo=True)


def test_a_compensation_asked_again_is_answered_again(shelf: Shelf) -> None:
    saga = new_saga()
    for batch in ([reserve(saga)], [release(saga)], [release(saga, generation=2)]):
        carry_out("inventory", batch)
    assert shelf.levels() == (10, 0, 0)
    assert shelf.messages()[1:] == [StockReleased(lines=TEA)] * 2
    assert [told["generation"] for _, told in shelf.answers()] == ["1", "1", "2"]


def test_a_tombstone_answers_that_there_was_nothing_to_undo(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [release(saga)])
    carry_out("inventory", [release(saga)])
    assert shelf.messages() == [StockReleased(nothing_to_undo=True)] * 2


def test_a_reaction_happens_once_however_often_its_event_comes(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga)])
    carry_out("inventory", [handed_over(saga), handed_over(saga)])
    carry_out("inventory", [handed_over(saga)])
    assert shelf.levels() == (9, 0, 1)
    assert shelf.log(saga) == {"reserve_stock": ("done", 1), "ship_stock": ("done", 1)}
    assert len(shelf.messages()) == 1


def test_the_last_pieces_go_to_those_who_came_first_in_one_batch(shelf: Shelf) -> None:
    sagas = [new_saga() for _ in range(12)]
    carry_out("inventory", [reserve(saga) for saga in sagas])
    assert shelf.levels() == (0, 10, 0)
    kinds = [type(shelf.messages(saga)[0]) for saga in sagas]
    assert kinds == [StockReserved] * 10 + [StockReservationFailed] * 2


def test_events_that_do_not_concern_a_context_are_passed_over(shelf: Shelf) -> None:
    from apps.contracts.payments import PaymentCaptured
    from tests.messaging.kit import envelope, record

    saga = new_saga()
    assert carry_out("inventory", [record(envelope(PaymentCaptured(amount_cents=1), saga))]) == []
    assert shelf.log(saga) == {}


@pytest.mark.parametrize("round_", range(10))
def test_an_action_and_its_compensation_race(shelf: Shelf, round_: int) -> None:
    """Two consumers at once: whoever wins, nothing stays reserved."""
    saga = new_saga()
    batches = [[reserve(saga)], [release(saga)]]
    failures = at_once(*(partial(carry_out, "inventory", batch) for batch in batches))
    assert failures == [[], []]
    assert shelf.levels() == (10, 0, 0)
    assert shelf.log(saga)["reserve_stock"][0] in ("undone", "tombstone")


@pytest.mark.parametrize("round_", range(5))
def test_the_same_compensation_in_two_consumers_undoes_once(shelf: Shelf, round_: int) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga)])
    asked = [release(saga), release(saga)]
    failures = at_once(*[partial(carry_out, "inventory", [each]) for each in asked])
    assert failures == [[], []]
    assert shelf.levels() == (10, 0, 0)
    assert shelf.messages()[1:] == [StockReleased(lines=TEA)] * 2
    assert shelf.notes(saga) == [("undo", "answered_again")]


def test_two_consumers_and_the_last_pieces(shelf: Shelf) -> None:
    halves = [[reserve(new_saga()) for _ in range(8)] for _ in range(2)]
    failures = at_once(*(partial(carry_out, "inventory", half) for half in halves))
    assert failures == [[], []]
    assert shelf.levels() == (0, 10, 0)
    kinds = [type(each) for each in shelf.messages()]
    assert (kinds.count(StockReserved), kinds.count(StockReservationFailed)) == (10, 6)
