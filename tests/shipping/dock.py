"""One order's parcel and the carrier outside, through the real barrier and the real intents."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from apps.contracts.base import Command, Message
from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.orders import OrderConfirmed
from apps.contracts.shipping import CancelShipment, CreateShipment, RecallShipment
from apps.contracts.steps import Fence, RecordHappened
from apps.contracts.values import Address
from apps.messaging.batch import Batch
from apps.messaging.calls import work
from apps.shipping.tracking import CarrierWatch
from apps.shipping.watchdog import Watchdog
from tests.messaging.kit import envelope, record
from tests.shipping.desk import HOME, lines
from tools.fakecarrier.client import Control

SECRET = "the secret of the tests"
PATIENCE_SECONDS = 60.0
MOST_ROUNDS = 20


class Dock:
    """The shipping database and the carrier, as one saga meets them."""

    def __init__(self, owner: psycopg.Connection, carrier: Control) -> None:
        self.owner, self.carrier = owner, carrier
        self.saga_id, self.taking_back = uuid7(), uuid7()

    # --- what is asked

    def ask(self, message: Command, step: str, action: Action = Action.DO, **more: Any) -> None:
        saga_id = more.pop("saga_id", self.saga_id)
        asked = envelope(
            message, saga_id, step=step, action=action, topic="shipping-commands", **more
        )
        Batch("shipping", [record(asked)]).carry_out()

    def book(self, *pieces: int, address: Address = HOME, **more: Any) -> None:
        command = CreateShipment(
            order_id=self.saga_id, address=address, lines=lines(*pieces or (2,))
        )
        self.ask(command, "create_shipment", **more)

    def cancel(self) -> None:
        self.ask(CancelShipment(), "create_shipment", Action.UNDO)

    def found_booked(self) -> None:
        """A person knows of the booking by phone."""
        self.ask(RecordHappened(evidence="FC-by-phone"), "create_shipment")

    def recall(self) -> None:
        command = RecallShipment(placed_by=self.saga_id)
        self.ask(command, "recall_shipment", saga_id=self.taking_back)

    def fence_recall(self) -> None:
        self.ask(Fence(), "recall_shipment", Action.FENCE, saga_id=self.taking_back)

    def confirm(self) -> None:
        heard = envelope(OrderConfirmed(order_id=self.saga_id), self.saga_id, step="confirm_order")
        Batch("shipping", [record(heard)]).carry_out()

    # --- time

    def work(self) -> int:
        return work("shipping")

    def time_passes(self) -> None:
        """What waits is due, what is leased is not any more."""
        self.owner.execute(
            "UPDATE shipping_intent SET due_at = now() - interval '1 second',"
            " leased_until = leased_until - interval '1 hour'"
        )

    def work_until_settled(self) -> int:
        """Ask again until every call has its outcome; how many calls that took."""
        calls = 0
        for _ in range(MOST_ROUNDS):
            calls += self.work()
            if not self.open_calls():
                return calls
            self.time_passes()
        raise AssertionError(f"no outcome after {calls} calls: {self.intents()}")

    def hand_over(self) -> None:
        """The order is confirmed, and the carrier asked to fetch its parcel."""
        self.confirm()
        Watchdog().turn()
        self.work_until_settled()

    def follow(self) -> None:
        """Ask the carrier once about all that it was asked to fetch."""
        self.owner.execute("UPDATE shipping_tracking SET due_at = now()")
        self.hear_what_is_due()

    def hear_what_is_due(self) -> None:
        watch = CarrierWatch()
        watch.turn()
        if watch.answer is not None:
            until(lambda: watch.answer is not None and watch.answer.done())
            watch.turn()
        watch.close()

    def collected(self) -> None:
        """The carrier's driver was here."""
        self.carrier.move(self.reference(), "collected")

    # --- what is there

    def told(self) -> list[Message]:
        """All that shipping has told."""
        rows = self.owner.execute(
            "SELECT headers, payload FROM shipping_outboxmessage ORDER BY created_at, id"
        ).fetchall()
        read = [(msgspec.json.decode(headers, type=dict[str, str]), body) for headers, body in rows]
        return [
            msgspec.json.decode(b, type=MESSAGES[h["type"], int(h["version"])]) for h, b in read
        ]

    def names(self) -> list[str]:
        return [type(each).__name__ for each in self.told()]

    def log(self, step: str = "create_shipment", saga_id: UUID | None = None) -> str | None:
        row = self.owner.execute(
            "SELECT status FROM shipping_sagalog WHERE saga_id = %s AND step = %s",
            [saga_id or self.saga_id, step],
        ).fetchone()
        return row[0] if row else None

    def status(self) -> str | None:
        row = self.owner.execute("SELECT status FROM shipping_shipment").fetchone()
        return row[0] if row else None

    def stage(self) -> str | None:
        row = self.owner.execute("SELECT stage FROM shipping_tracking").fetchone()
        return row[0] if row else None

    def intents(self) -> list[tuple[str, str]]:
        rows = self.owner.execute("SELECT operation, status FROM shipping_intent ORDER BY id")
        return [tuple(row) for row in rows.fetchall()]

    def open_calls(self) -> list[str]:
        return [name for name, status in self.intents() if status not in ("settled", "withdrawn")]

    def reference(self) -> str:
        row = self.owner.execute("SELECT reference FROM shipping_shipment").fetchone()
        assert row, "nothing is booked"
        return str(row[0])

    def agree(self) -> None:
        """The carrier's ledger and ours say the same: what lives there is ours, and once."""
        live = {
            "booked": ["booked", "released"],
            "handed_over": ["collected", "in_transit", "delivered", "returned", "lost"],
        }
        rows = self.owner.execute("SELECT reference, status FROM shipping_shipment").fetchall()
        ours = {reference: status for reference, status in rows if status in live}
        theirs = {each["reference"]: each["status"] for each in self.carrier.live()}
        assert ours.keys() == theirs.keys()
        assert [each for each in ours if theirs[each] not in live[ours[each]]] == []
        assert self.carrier.ledger()["booked_twice"] == []

    def calls(self, operation: str) -> int:
        return [each["operation"] for each in self.carrier.calls()].count(operation)


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.005)
