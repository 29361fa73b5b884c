"""Customers are told once that their order is confirmed."""

from collections.abc import Iterator
from functools import partial
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.notifications import (
    CancellationSent,
    ConfirmationSent,
    Delivery,
    SendCancellation,
    SendConfirmation,
)
from apps.contracts.numbers import number_of
from apps.notifications import selectors
from apps.notifications.selectors import MessageEffects, Repeated
from tests.handling import ask, ask_together
from tests.threads import at_once

ANNA, BORIS = 1, 2
SENT = ConfirmationSent(delivery=Delivery.DELIVERED)


def confirm(order_id: UUID, *, customer: int = ANNA, cents: int = 12_05) -> SendConfirmation:
    return SendConfirmation(
        order_id=order_id, customer_id=customer, currency="EUR", total_cents=cents
    )


@pytest.fixture
def notifications(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["notifications"]


def messages(owner: psycopg.Connection) -> list[tuple[UUID, UUID, int, str]]:
    return owner.execute(
        "SELECT saga_id, order_id, customer_id, kind FROM notifications_customermessage ORDER BY id"
    ).fetchall()


def test_the_customer_finds_the_confirmation_in_the_inbox(
    notifications: psycopg.Connection,
) -> None:
    saga_id, order_id = uuid7(), uuid7()
    assert ask("notifications", confirm(order_id), saga_id=saga_id) == SENT
    assert messages(notifications) == [(saga_id, order_id, ANNA, "confirmed")]
    [message] = selectors.inbox(ANNA)
    assert message.subject == "Your order is confirmed"
    assert message.body == (
        f"Thank you. Your order {number_of(order_id)} is confirmed and paid: 12.05 EUR."
        " It will be handed over to the carrier."
    )
    assert message.read_at is None
    assert list(selectors.inbox(BORIS)) == []


def test_another_saga_of_the_order_tells_nothing_new(notifications: psycopg.Connection) -> None:
    first, order_id = uuid7(), uuid7()
    ask("notifications", confirm(order_id), saga_id=first)
    assert ask("notifications", confirm(order_id, cents=99_00)) == SENT
    assert messages(notifications) == [(first, order_id, ANNA, "confirmed")]


def test_two_sagas_of_an_order_in_one_batch_tell_it_once(
    notifications: psycopg.Connection,
) -> None:
    order_id, other = uuid7(), uuid7()
    asked = [(uuid7(), "", confirm(each)) for each in (order_id, order_id, other)]
    assert ask_together("notifications", list(asked)) == [SENT] * 3
    assert [row[1] for row in messages(notifications)] == [order_id, other]


def test_an_error_tells_nobody(notifications: psycopg.Connection) -> None:
    asked = [(uuid7(), "", confirm(uuid7())), (uuid7(), "", confirm(uuid7(), customer=2**63))]
    with pytest.raises(psycopg.DataError):
        ask_together("notifications", list(asked))
    assert messages(notifications) == []


def test_two_threads_tell_each_order_once(notifications: psycopg.Connection) -> None:
    """Both batches name the same orders, in opposite order: neither waits for ever."""

    def send(orders: list[UUID]) -> list[Event]:
        return ask_together("notifications", [(uuid7(), "", confirm(each)) for each in orders])

    for _ in range(5):
        orders = [uuid7() for _ in range(50)]
        assert at_once(partial(send, orders), partial(send, orders[::-1])) == [[SENT] * 50] * 2
    told = [row[1] for row in messages(notifications)]
    assert len(told) == len(set(told)) == 250


def test_the_inbox_shows_the_newest_first(notifications: psycopg.Connection) -> None:
    orders = [uuid7() for _ in range(3)]
    for order_id in orders:
        ask("notifications", confirm(order_id))
    assert [message.order_id for message in selectors.inbox(ANNA)] == orders[::-1]


def test_the_database_refuses_a_second_message_of_a_kind(
    notifications: psycopg.Connection,
) -> None:
    order_id = uuid7()
    ask("notifications", confirm(order_id))
    insert = (
        "INSERT INTO notifications_customermessage"
        " (saga_id, order_id, customer_id, kind, subject, body) VALUES (%s, %s, 1, %s, '', '')"
    )
    with pytest.raises(errors.UniqueViolation, match="notifications_once_per_order_and_kind"):
        notifications.execute(insert, [uuid7(), order_id, "confirmed"])
    with pytest.raises(errors.CheckViolation, match="notifications_kind_is_known"):
        notifications.execute(insert, [uuid7(), order_id, "gossip"])


def test_the_checks_count_what_was_sent(notifications: psycopg.Connection) -> None:
    sagas = [uuid7(), uuid7()]
    for saga_id in sagas:
        ask("notifications", confirm(uuid7()), saga_id=saga_id)
    assert list(selectors.effects()) == [MessageEffects(each, "confirmed", 1) for each in sagas]
    assert selectors.repeated() == []


@pytest.fixture
def unconstrained(notifications: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The database without the constraint that keeps messages single."""
    table = "notifications_customermessage"
    name = "notifications_once_per_order_and_kind"
    notifications.execute(f"DROP INDEX {name}")
    yield notifications
    notifications.execute(f"TRUNCATE {table} CASCADE")
    notifications.execute(
        f"CREATE UNIQUE INDEX {name} ON {table} (order_id, kind) WHERE NOT (kind = 'returned')"
    )


def test_the_checks_see_a_repetition_even_without_the_constraint(
    unconstrained: psycopg.Connection,
) -> None:
    once, twice = uuid7(), uuid7()
    for order_id in (once, twice, twice):
        unconstrained.execute(
            "INSERT INTO notifications_customermessage"
            " (saga_id, order_id, customer_id, kind, subject, body)"
            " VALUES (%s, %s, 1, 'confirmed', '', '')",
            [uuid7(), order_id],
        )
    assert selectors.repeated() == [Repeated(twice, "confirmed", 2)]


def test_the_customer_is_told_once_that_a_confirmed_order_is_cancelled(
    notifications: psycopg.Connection,
) -> None:
    placed_by, saga_id, order_id = uuid7(), uuid7(), uuid7()
    ask("notifications", confirm(order_id), saga_id=placed_by)
    told = SendCancellation(order_id=order_id, customer_id=ANNA, currency="EUR", total_cents=12_05)

    answers = [ask("notifications", told, saga_id=each) for each in (saga_id, uuid7())]

    assert answers == [CancellationSent(delivery=Delivery.DELIVERED)] * 2
    assert messages(notifications) == [
        (placed_by, order_id, ANNA, "confirmed"),
        (saga_id, order_id, ANNA, "cancelled"),
    ]
    message = selectors.inbox(ANNA)[0]
    assert message.subject == "Your order is cancelled"
    assert message.body == (
        f"As you wished, your order {number_of(order_id)} is cancelled. What you paid is given back"
        " the way you paid it: 12.05 EUR."
    )
