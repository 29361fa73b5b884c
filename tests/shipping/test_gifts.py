"""Wrapping gifts, and unwrapping them."""

from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from uuid_utils.compat import uuid7

from apps.contracts.shipping import GiftUnwrapped, GiftWrapped, GiftWrapUnavailable, UnwrapGift
from apps.shipping import selectors
from apps.shipping.errors import GiftNotWrapped
from apps.shipping.selectors import GiftEffects
from tests.handling import ask, ask_together
from tests.shipping.desk import gift


@pytest.fixture
def shipping(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["shipping"]


def gifts(owner: psycopg.Connection) -> list[tuple[UUID, int, int, str]]:
    return owner.execute(
        "SELECT saga_id, pieces, boxes, status FROM shipping_giftwrap ORDER BY saga_id"
    ).fetchall()


@pytest.mark.parametrize(
    ("quantities", "boxes"),
    [((1,), 1), ((4, 6), 1), ((10, 1), 2), ((30,), 3)],
    ids=["one piece", "a full box", "one more", "all that an order gets"],
)
def test_a_box_holds_ten_pieces(
    shipping: psycopg.Connection, quantities: tuple[int, ...], boxes: int
) -> None:
    saga_id = uuid7()
    assert ask("shipping", gift(*quantities), saga_id=saga_id) == GiftWrapped(boxes=boxes)
    assert gifts(shipping) == [(saga_id, sum(quantities), boxes, "wrapped")]


def test_more_than_three_boxes_are_refused_and_nothing_is_wrapped(
    shipping: psycopg.Connection,
) -> None:
    answer = ask("shipping", gift(30, 1))
    assert answer == GiftWrapUnavailable(pieces=31, most_pieces=30)
    assert gifts(shipping) == []


def test_a_gift_is_unwrapped(shipping: psycopg.Connection) -> None:
    saga_id = uuid7()
    ask("shipping", gift(12), saga_id=saga_id)
    assert ask("shipping", UnwrapGift(), saga_id=saga_id) == GiftUnwrapped(boxes=2)
    assert gifts(shipping) == [(saga_id, 12, 2, "unwrapped")]


def test_unwrapping_what_is_not_wrapped_is_an_error(shipping: psycopg.Connection) -> None:
    saga_id = uuid7()
    with pytest.raises(GiftNotWrapped, match="nothing found"):
        ask("shipping", UnwrapGift(), saga_id=saga_id)
    ask("shipping", gift(12), saga_id=saga_id)
    ask("shipping", UnwrapGift(), saga_id=saga_id)
    with pytest.raises(GiftNotWrapped, match="unwrapped"):
        ask("shipping", UnwrapGift(), saga_id=saga_id)
    assert gifts(shipping) == [(saga_id, 12, 2, "unwrapped")]


def test_a_batch_wraps_some_refuses_others_and_unwraps_a_third(
    shipping: psycopg.Connection,
) -> None:
    old, new, large = uuid7(), uuid7(), uuid7()
    ask("shipping", gift(5), saga_id=old)
    answers = ask_together(
        "shipping", [(new, "", gift(20)), (old, "", UnwrapGift()), (large, "", gift(99))]
    )
    assert answers == [
        GiftWrapped(boxes=2),
        GiftUnwrapped(boxes=1),
        GiftWrapUnavailable(pieces=99, most_pieces=30),
    ]
    assert gifts(shipping) == [(old, 5, 1, "unwrapped"), (new, 20, 2, "wrapped")]
    assert list(selectors.gift_effects()) == [
        GiftEffects(old, wrapped=1, unwrapped=1),
        GiftEffects(new, wrapped=1, unwrapped=0),
    ]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("pieces = 11", "shipping_gift_fits_its_boxes"),
        ("pieces = 0", "shipping_gift_fits_its_boxes"),
        ("boxes = 4", "shipping_gift_takes_no_more_boxes_than_there_are"),
        ("status = 'lost'", "shipping_gift_status_is_known"),
    ],
)
def test_the_database_refuses_what_no_gift_can_be(
    shipping: psycopg.Connection, change: str, constraint: str
) -> None:
    ask("shipping", gift(10))
    with pytest.raises(errors.CheckViolation, match=constraint):
        shipping.execute(f"UPDATE shipping_giftwrap SET {change}")
