"""The engine on its real database, with real commits."""

from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg.rows import dict_row
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.orders import CancelOrder, CancelRequested, OrderCancelled
from apps.contracts.payments import AuthorizePayment, CapturePayment
from apps.contracts.plan import Plan
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.sagas import SagaEnded
from apps.contracts.shipping import ShipmentHandedOver
from apps.contracts.steps import (
    Fenced,
    Happened,
    PersonNeeded,
    RecordRefused,
    StepWaits,
    UndoneByHand,
    UndoRefused,
)
from apps.messaging.context import context
from apps.messaging.errors import RivalMovedFirst
from apps.messaging.handling import Outgoing
from apps.messaging.wiring import wiring
from apps.processes import LIVE
from apps.sagas.errors import UnknownSaga
from apps.sagas.handlers import LISTENERS
from tests.sagas.listening import created, hear, news, order
from tests.sagas.scenarios import CREATED, PLAIN, REFUSALS, SUCCESSES, UNDONE, WRAPPED
from tests.threads import at_once


@pytest.fixture
def owner(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["sagas"]


@pytest.fixture
def saga_id() -> UUID:
    return uuid7()


def rows(owner: psycopg.Connection, query: str, *given: object) -> list[dict]:
    return owner.cursor(row_factory=dict_row).execute(query, given).fetchall()


def saga(owner: psycopg.Connection, saga_id: UUID) -> dict:
    [row] = rows(owner, "SELECT * FROM sagas_saga WHERE saga_id = %s", saga_id)
    return row


def history(owner: psycopg.Connection, saga_id: UUID) -> list[tuple[str, str, str]]:
    found = rows(
        owner,
        "SELECT step, action, outcome FROM sagas_sagastep WHERE saga_id = %s ORDER BY revision",
        saga_id,
    )
    return [(each["step"], each["action"], each["outcome"]) for each in found]


def messages(sent: list[Outgoing]) -> list[tuple[str, str, str]]:
    return [(type(each.message).__name__, each.request.step, each.request.action) for each in sent]


def test_a_start_makes_the_row_and_asks_the_second_step(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    order_id = uuid7()

    sent = hear(created(saga_id, order_id))

    assert messages(sent) == [("ReserveStock", "reserve_stock", "do")]
    assert sent[0].plan == PLAIN.to_header()
    row = saga(owner, saga_id)
    expected = {
        "process": "place_order",
        "version": 1,
        "mode": "orchestrated",
        "plan": PLAIN.to_header(),
        "order_id": order_id,
        "customer_id": 17850,
        "status": "running",
        "pending_step": "reserve_stock",
        "pending_action": "do",
        "pending_generation": 1,
        "cause_step": "",
        "cause": None,
        "revision": 1,
        "ended_at": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert row["pending_since"] == row["started_at"] == row["changed_at"]


def test_the_history_of_a_start_has_no_address(owner: psycopg.Connection, saga_id: UUID) -> None:
    start = created(saga_id)

    hear(start)

    [line] = rows(owner, "SELECT * FROM sagas_sagastep")
    assert (line["step"], line["action"], line["generation"]) == ("create_order", "do", 1)
    assert (line["outcome"], line["answer_type"]) == ("done", "OrderCreated")
    assert line["message_id"] == start.message_id
    assert line["asked_at"] == line["answered_at"]
    assert line["answer"] == {
        "order_id": str(saga_id),
        "customer_id": 17850,
        "currency": "GBP",
        "lines": [{"product_id": "85123A", "quantity": 6, "unit_price_cents": 255}],
        "total_cents": 1530,
        "payment_method": "credit",
        "gift_wrap": False,
    }


def test_a_whole_order_one_message_at_a_time(owner: psycopg.Connection, saga_id: UUID) -> None:
    hear(created(saga_id))
    for step in PLAIN.steps[1:]:
        sent = hear(news(saga_id, step, SUCCESSES[step]))

    assert [each.message for each in sent] == [
        SagaEnded(process="place_order", outcome=Ending.CONFIRMED)
    ]
    assert history(owner, saga_id) == [(step, "do", "done") for step in PLAIN.steps]
    row = saga(owner, saga_id)
    assert row["status"] == "confirmed"
    assert row["pending_step"] is row["pending_since"] is None
    assert row["inputs"] == {}
    assert row["revision"] == len(PLAIN.steps)
    assert row["ended_at"] == row["changed_at"] > row["started_at"]


def test_each_request_lasts_from_its_asking_to_its_answer(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    hear(created(saga_id))
    hear(news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"]))

    first, second = rows(owner, "SELECT * FROM sagas_sagastep ORDER BY answered_at")
    assert second["asked_at"] == first["answered_at"] < second["answered_at"]


def test_a_refusal_is_kept_with_its_facts(owner: psycopg.Connection, saga_id: UUID) -> None:
    hear(created(saga_id))

    sent = hear(news(saga_id, "reserve_stock", REFUSALS["reserve_stock"]))

    assert [each.message for each in sent] == [CancelOrder()]
    row = saga(owner, saga_id)
    assert (row["status"], row["pending_step"], row["pending_action"]) == (
        "compensating",
        "create_order",
        "undo",
    )
    assert (row["cause_step"], row["cause_type"]) == ("reserve_stock", "StockReservationFailed")
    assert row["cause"] == {"short": [{"product_id": "85123A", "wanted": 6, "available": 2}]}
    assert row["cause_reason"] == ("Not enough in stock: product 85123A, 6 wanted, 2 left")

    [ended] = hear(
        news(saga_id, "create_order", OrderCancelled(order_id=saga_id), action=Action.UNDO)
    )
    assert ended.message == SagaEnded(
        process="place_order", outcome=Ending.UNDONE, refused_step="reserve_stock"
    )
    assert history(owner, saga_id) == [
        ("create_order", "do", "done"),
        ("reserve_stock", "do", "refused"),
        ("create_order", "undo", "undone"),
    ]
    assert saga(owner, saga_id)["cause_reason"] == row["cause_reason"]


def test_many_sagas_in_one_batch(owner: psycopg.Connection) -> None:
    ids = [uuid7() for _ in range(5)]
    hear(*map(created, ids))

    sent = hear(
        *(news(each, "reserve_stock", SUCCESSES["reserve_stock"]) for each in ids[:3]),
        *(news(each, "reserve_stock", REFUSALS["reserve_stock"]) for each in ids[3:]),
    )

    assert [name for name, _, _ in messages(sent)] == ["FreezePrice"] * 3 + ["CancelOrder"] * 2
    assert [each.request.saga_id for each in sent] == ids


def test_two_events_of_one_saga_in_one_batch_follow_each_other(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    sent = hear(created(saga_id), news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"]))

    assert messages(sent) == [
        ("ReserveStock", "reserve_stock", "do"),
        ("FreezePrice", "freeze_price", "do"),
    ]
    assert saga(owner, saga_id)["pending_step"] == "freeze_price"

    hear(
        news(saga_id, "freeze_price", SUCCESSES["freeze_price"]),
        news(saga_id, "authorize_payment", REFUSALS["authorize_payment"]),
        news(saga_id, "freeze_price", UNDONE["freeze_price"], action=Action.UNDO),
    )

    row = saga(owner, saga_id)
    assert (row["pending_step"], row["pending_action"], row["revision"]) == (
        "reserve_stock",
        "undo",
        5,
    )
    assert history(owner, saga_id) == [
        ("create_order", "do", "done"),
        ("reserve_stock", "do", "done"),
        ("freeze_price", "do", "done"),
        ("authorize_payment", "do", "refused"),
        ("freeze_price", "undo", "undone"),
    ]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in two"])
def test_a_start_heard_twice_starts_once(
    owner: psycopg.Connection, saga_id: UUID, together: bool
) -> None:
    start = created(saga_id)

    sent = hear(start, start) if together else hear(start) + hear(start)

    assert messages(sent) == [("ReserveStock", "reserve_stock", "do")]
    assert history(owner, saga_id) == [("create_order", "do", "done")]
    assert saga(owner, saga_id)["revision"] == 1


def test_an_answer_that_nothing_waits_for_is_noted_once(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    hear(created(saga_id))
    late = news(saga_id, "freeze_price", SUCCESSES["freeze_price"])

    assert hear(late, late) + hear(late) == []

    [note] = rows(owner, "SELECT * FROM sagas_barriernote")
    assert (note["saga_id"], note["step"], note["decision"]) == (
        saga_id,
        "freeze_price",
        "unmatched",
    )
    assert note["message_id"] == late.message_id
    assert saga(owner, saga_id)["pending_step"] == "reserve_stock"


def test_an_answer_to_an_unknown_saga_is_an_error(owner: psycopg.Connection, saga_id: UUID) -> None:
    with pytest.raises(UnknownSaga):
        hear(news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"]))

    assert rows(owner, "SELECT * FROM sagas_saga") == []


def test_the_plan_is_the_one_it_started_with(owner: psycopg.Connection, saga_id: UUID) -> None:
    hear(news(saga_id, "create_order", order(saga_id), plan=WRAPPED.to_header()))
    for step in WRAPPED.steps[1:4]:
        sent = hear(news(saga_id, step, SUCCESSES[step], plan=PLAIN.to_header()))

    assert messages(sent) == [("WrapGift", "wrap_gift", "do")]
    assert sent[0].plan == WRAPPED.to_header()


@pytest.mark.parametrize("plan", [PLAIN, WRAPPED])
def test_the_card_gets_to_its_payment_and_into_no_history(
    owner: psycopg.Connection, saga_id: UUID, plan: Plan
) -> None:
    start = msgspec.structs.replace(CREATED, order_id=saga_id, card="pm_card_visa")
    hear(news(saga_id, "create_order", start, plan=plan.to_header()))
    hear(news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"], plan=plan.to_header()))
    sent = hear(news(saga_id, "freeze_price", SUCCESSES["freeze_price"], plan=plan.to_header()))

    [command] = [each.message for each in sent]
    assert isinstance(command, AuthorizePayment)
    assert command.card == "pm_card_visa"
    assert "pm_card_visa" not in str(rows(owner, "SELECT * FROM sagas_sagastep"))
    hear(news(saga_id, "authorize_payment", SUCCESSES["authorize_payment"], plan=plan.to_header()))
    kept = rows(owner, "SELECT * FROM sagas_saga") + rows(owner, "SELECT * FROM sagas_sagastep")
    assert "pm_card_visa" not in str(kept)


def test_the_address_leaves_the_row(owner: psycopg.Connection, saga_id: UUID) -> None:
    hear(created(saga_id))
    for step in PLAIN.steps[1:4]:
        hear(news(saga_id, step, SUCCESSES[step]))
    assert saga(owner, saga_id)["inputs"]["address"]["name"] == "Ada Lovelace"

    sent = hear(news(saga_id, "create_shipment", SUCCESSES["create_shipment"]))

    assert [each.message for each in sent] == [CapturePayment()]
    kept = rows(owner, "SELECT * FROM sagas_saga") + rows(owner, "SELECT * FROM sagas_sagastep")
    assert "Lovelace" not in str(kept)


# --- rivals

TRIED_AGAIN = (RivalMovedFirst, psycopg.errors.UniqueViolation)  # by the messaging layer


def test_two_threads_hear_the_same_answer_and_one_command_goes_out(
    owner: psycopg.Connection,
) -> None:
    for _ in range(10):
        saga_id = uuid7()
        hear(created(saga_id))
        answer = news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"])

        heard = at_once(lambda each=answer: hear(each), lambda each=answer: hear(each))

        assert sorted(map(len, heard)) == [0, 1]
        assert history(owner, saga_id)[1:] == [("reserve_stock", "do", "done")]


def test_two_threads_hear_the_same_start_and_one_keeps_it(owner: psycopg.Connection) -> None:
    for _ in range(10):
        start = created(uuid7())

        heard = at_once(lambda each=start: hear(each), lambda each=start: hear(each))

        commands = [out for each in heard if isinstance(each, list) for out in each]
        errors = [each for each in heard if isinstance(each, Exception)]
        assert messages(commands) == [("ReserveStock", "reserve_stock", "do")]
        assert all(isinstance(each, TRIED_AGAIN) for each in errors)
        assert hear(start) == []
        assert history(owner, start.request.saga_id) == [("create_order", "do", "done")]


def test_batches_in_other_orders_do_not_deadlock(owner: psycopg.Connection) -> None:
    ids = [uuid7() for _ in range(20)]
    hear(*map(created, ids))
    answers = [news(each, "reserve_stock", SUCCESSES["reserve_stock"]) for each in ids]

    heard = at_once(lambda: hear(*answers), lambda: hear(*reversed(answers)))

    assert sorted(len(each) if isinstance(each, list) else -1 for each in heard) == [0, 20]


# --- constraints


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'confirmed', ended_at = now()", "saga_waits_while_live"),
        ("pending_since = NULL", "saga_waits_while_live"),
        ("ended_at = now()", "saga_ended_at_its_end"),
        ("cause_step = 'reserve_stock'", "saga_turned_back_for_a_cause"),
        ("status = 'compensating'", "saga_turned_back_for_a_cause"),
    ],
)
def test_a_saga_that_contradicts_itself_cannot_be_stored(
    owner: psycopg.Connection, saga_id: UUID, change: str, constraint: str
) -> None:
    hear(created(saga_id))

    with pytest.raises(psycopg.errors.CheckViolation, match=constraint):
        owner.execute(f"UPDATE sagas_saga SET {change}")


def test_an_order_is_placed_by_one_saga(owner: psycopg.Connection, saga_id: UUID) -> None:
    hear(created(saga_id))

    with pytest.raises(psycopg.errors.UniqueViolation, match="saga_once_per_order"):
        hear(created(uuid7(), saga_id))
    assert len(rows(owner, "SELECT * FROM sagas_saga")) == 1


def test_an_action_is_not_undone(owner: psycopg.Connection, saga_id: UUID) -> None:
    hear(created(saga_id))

    with pytest.raises(psycopg.errors.CheckViolation, match="step_outcome_fits_action"):
        owner.execute("UPDATE sagas_sagastep SET outcome = 'undone'")


@pytest.mark.parametrize(
    "statement", ["UPDATE sagas_sagastep SET outcome = 'x'", "DELETE FROM sagas_sagastep"]
)
def test_the_history_is_never_changed(
    owner: psycopg.Connection, saga_id: UUID, statement: str
) -> None:
    hear(created(saga_id))

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        context("sagas").database.execute(statement)


# --- what is listened to


def test_the_engine_hears_every_answer_of_the_definitions_and_wishes() -> None:
    steps = [step for definition in LIVE for step in definition.steps]
    answers = {each.success for each in steps}
    answers |= {each.refusal for each in steps if each.refusal}
    answers |= {each.compensation.answer for each in steps if each.compensation}

    of_any_step = {Fenced, Happened, StepWaits, UndoRefused, RecordRefused, UndoneByHand}
    assert set(LISTENERS) == answers | of_any_step | {PersonNeeded, CancelRequested}
    assert ShipmentHandedOver not in LISTENERS


def test_the_engine_reads_the_events_of_all_participants() -> None:
    assert wiring("sagas").topics == (
        "fraud-events",
        "inventory-events",
        "notification-events",
        "order-events",
        "payment-events",
        "pricing-events",
        "sagas-commands",
        "shipping-events",
    )
