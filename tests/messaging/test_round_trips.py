"""How often a transaction waits for its database, counted on the wire: docs/decisions/0004."""

import pytest

from apps.messaging.consumer import carry_out
from apps.messaging.database import Database, touches
from tests.messaging.kit import Shelf, new_saga, release, reserve
from tests.round_trips import counted

INVENTORY = Database("inventory")
MORE = "UPDATE inventory_stock SET on_hand = on_hand + 1 WHERE product_id = 'tea'"

pytestmark = pytest.mark.usefixtures("quiet", "shelf")


def test_of_a_reservation(shelf: Shelf) -> None:
    """Its transaction begins; claims; the stock is read; all is written and committed."""
    with counted("inventory") as wire:
        carry_out("inventory", [reserve(new_saga())])

        assert wire.trips == 4
    assert shelf.levels() == (9, 1, 0)


def test_of_its_release(shelf: Shelf) -> None:
    """The claim finds a row, which is read, and two tables of the business."""
    saga = new_saga()
    carry_out("inventory", [reserve(saga)])
    with counted("inventory") as wire:
        carry_out("inventory", [release(saga)])

        assert wire.trips == 6
    assert shelf.levels() == (10, 0, 0)


def test_what_is_only_sent_goes_with_the_commit() -> None:
    with counted("inventory") as wire:
        with INVENTORY.pipelined_transaction():
            INVENTORY.send(MORE)
            INVENTORY.send(MORE)

        assert wire.trips == 2  # the first is that it begins


def test_what_is_checked_is_waited_for_before_the_commit() -> None:
    with counted("inventory") as wire:
        with INVENTORY.pipelined_transaction():
            INVENTORY.send(MORE, then=touches(1))
            INVENTORY.send(MORE, then=touches(1))

        assert wire.trips == 3
