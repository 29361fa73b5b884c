"""The shortest ways into the barrier's holes, as the search of tests/reliability finds them where a
rule is broken. Each comes out right, on the real tables.

The names are those of the broken rules; those that need an outside call are in
tests/payments/test_cards.py.
"""

from typing import Any
from uuid import UUID

import pytest

from apps.contracts.catalogue import Action
from apps.contracts.inventory import StockReleased, StockReservationFailed, StockReserved
from apps.contracts.steps import Fence, Fenced, RecordHappened, RecordRefused
from apps.contracts.values import Line
from apps.messaging.consumer import carry_out
from apps.messaging.record import Record
from tests.messaging.kit import Shelf, envelope, new_saga, record, release, reserve

pytestmark = pytest.mark.usefixtures("quiet")
TEA = (Line(product_id="tea", quantity=1),)
COMMANDS = "inventory-commands"


def finding(saga_id: UUID, **request: Any) -> Record:
    """What a person has found."""
    message = RecordHappened(evidence="seen")
    return record(envelope(message, saga_id, topic=COMMANDS, **request))


def fence(saga_id: UUID) -> Record:
    return record(envelope(Fence(), saga_id, action=Action.FENCE, topic=COMMANDS))


def told(shelf: Shelf) -> list[type]:
    return [type(each) for each in shelf.messages()]


def test_lower_generation_runs(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga, quantity=11)])
    carry_out("inventory", [reserve(saga, quantity=11, generation=2)])

    carry_out("inventory", [reserve(saga, quantity=1)])

    assert shelf.log(saga) == {"reserve_stock": ("refused", 2)}
    assert shelf.levels() == (10, 0, 0)
    assert told(shelf) == [StockReservationFailed] * 2


def test_lower_generation_answered(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga, quantity=11)])
    carry_out("inventory", [reserve(saga, generation=2)])

    carry_out("inventory", [reserve(saga, quantity=11)])

    assert shelf.log(saga) == {"reserve_stock": ("done", 2)}
    assert told(shelf) == [StockReservationFailed, StockReserved]


def test_refusal_blocks_retry(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga, quantity=11)])

    carry_out("inventory", [reserve(saga, generation=2)])

    assert shelf.levels() == (9, 1, 0)
    assert shelf.answers(saga)[-1][1]["generation"] == "2"


def test_no_tombstone(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [release(saga)])

    carry_out("inventory", [reserve(saga)])

    assert shelf.log(saga) == {"reserve_stock": ("tombstone", 1)}
    assert shelf.levels() == (10, 0, 0)
    assert shelf.messages() == [StockReleased(nothing_to_undo=True)]


def test_stored_answer_repeated_literally(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [fence(saga)])

    carry_out("inventory", [release(saga)])

    assert shelf.messages() == [Fenced(), StockReleased(nothing_to_undo=True)]


def test_finding_makes_a_row(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [finding(saga)])
    assert shelf.log(saga) == {}
    assert shelf.notes(saga) == [("do", "not_recorded")]
    [refused] = shelf.messages()
    assert isinstance(refused, RecordRefused)

    carry_out("inventory", [reserve(saga)])

    assert shelf.log(saga) == {"reserve_stock": ("done", 1)}
    assert shelf.messages()[1:] == [StockReserved(lines=TEA)]


def test_a_finding_in_the_batch_of_its_action_leaves_it_alone(shelf: Shelf) -> None:
    saga, other = new_saga(), new_saga()

    assert carry_out("inventory", [finding(saga), reserve(other), reserve(saga)]) == []

    assert shelf.log(saga) == shelf.log(other) == {"reserve_stock": ("done", 1)}
    assert shelf.levels() == (8, 2, 0)
