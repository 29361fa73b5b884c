"""The whole platform in this process, hands instead of Kafka and Celery; gateway and carrier are
stand-ins in processes of their own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from apps.contracts.values import AcceptedLine
from apps.inventory.receiving import record_arrival
from apps.messaging.audit import Actor
from apps.messaging.calls import work
from apps.ops.conservation.check import prove
from apps.ops.conservation.drain import under_way
from apps.ops.conservation.proof import Patience
from apps.payments import stripe_api, stripe_events
from apps.shipping import carrier_api
from apps.shipping.watchdog import Watchdog
from tests.ops import world
from tests.orders.shop import timeline_of
from tests.orders.wishes import wish_of
from tests.payments.stripe_calls import GOOD
from tests.shipping.dock import Dock
from tools.fakecarrier.client import Control as Carrier
from tools.fakestripe.client import Control as Stripe

NOW = timedelta(0)
AT_ONCE = Patience(NOW, NOW, NOW, second_look=0.0, gateway=NOW)
MOST_TURNS = 60
SOON = 0.3  # seconds until who waits for an answer gives up
PRICE = world.PRICES["tea"]

# What is not due yet is, and what is leased is not any more.
TIME_PASSES = """
UPDATE {context}_intent SET due_at = now() - interval '1 second',
  leased_until = leased_until - interval '1 hour'
WHERE status NOT IN ('settled', 'withdrawn')
"""
REST_PASSES = "UPDATE {context}_providerstate SET retry_at = now() WHERE opened_at IS NOT NULL"
# So many seconds, for what was asked before them.
KEYS_AGE = """
UPDATE {context}_intent SET called_at = called_at - make_interval(secs => %s)
"""
CARDS_AGE = "UPDATE payments_cardattempt SET asked_at = asked_at - make_interval(secs => %s)"
OUTSIDE = ("payments", "shipping", "inventory")  # whose calls go outside, or wait for people there


class Platform:
    """All services, and what there is outside."""

    def __init__(
        self,
        owners: dict[str, psycopg.Connection],
        stripe: Stripe,
        carrier: Carrier,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.owners, self.stripe, self.carrier = owners, stripe, carrier
        self.dock = Dock(owners["shipping"], carrier)
        self.patch = monkeypatch
        self.turns = 0
        self.rests = True  # who does not answer is soon asked again
        self.meanwhile: Callable[[], None] = lambda: None  # at the end of each turn
        # What is to be seen going wrong is not repeated by the SDK.
        monkeypatch.setattr(stripe_api, "RETRIES", 0)
        stripe_api._client.cache_clear()

    def hurry(self) -> None:
        """Who waits for an answer gives up soon."""
        self.patch.setattr(stripe_api, "ANSWER_SECONDS", SOON)
        self.patch.setattr(carrier_api, "ANSWER_SECONDS", SOON)
        stripe_api._client.cache_clear()

    def close(self) -> None:
        """Nothing that hangs is left to the next test."""
        self.stripe.clear_faults()
        self.stripe.release()
        stripe_api._client.cache_clear()

    # --- what is done

    def buy(self, pieces: int = 1, card: str = GOOD) -> UUID:
        """Place an order of some tea; its id."""
        return world.buy(tea=pieces, card=card)

    def takes_back(self, order_id: UUID, pieces: int) -> None:
        """The customer sends some tea back, and it arrives."""
        world.send_back(order_id, tea=pieces)
        self.turn_until(self._expected)
        [arrival] = self._expected()
        record_arrival(
            arrival_id=arrival,
            accepted=[AcceptedLine(product_id="tea", quantity=pieces)],
            version=0,
            actor=Actor(id=None, name="test"),
            reason="unpacked",
        )

    def _expected(self) -> list[UUID]:
        rows = self.rows("inventory", "SELECT id FROM inventory_arrival WHERE status = 'expected'")
        return [id for (id,) in rows]

    def turn(self) -> None:
        """Everybody does what there is to do, and then time passes. What hangs is let go now and
        then, so that some ask again while it is still under way."""
        world.deliver(self.owners)
        Watchdog().turn()
        for context in OUTSIDE:
            work(context)
        self.dock.follow()
        stripe_events.work()
        self.turns += 1
        if self.turns % 3 == 0:
            self.stripe.release()
            self.carrier.release()
        self.meanwhile()
        self.time_passes()

    def time_passes(self) -> None:
        """What waits is due."""
        for context in OUTSIDE:
            self.owners[context].execute(TIME_PASSES.format(context=context))
            if self.rests:
                self.owners[context].execute(REST_PASSES.format(context=context))
        self.owners["payments"].execute("UPDATE payments_stripeevent SET due_at = now()")

    def hours_pass(self, hours: float) -> None:
        """For the clocks outside, and for what was asked under a key."""
        seconds = hours * 3600
        self.stripe.advance(seconds)
        self.carrier.advance(seconds)
        for context in OUTSIDE:
            self.owners[context].execute(KEYS_AGE.format(context=context), [seconds])
        self.owners["payments"].execute(CARDS_AGE, [seconds])

    def turn_until(self, condition: Callable[[], object]) -> None:
        for _ in range(MOST_TURNS):
            self.turn()
            if condition():
                return
        raise AssertionError(f"it never happened; {under_way()}, {self.open_calls()}")

    def come_to_rest(self) -> None:
        """Go on until nobody has anything to do."""
        self.turn_until(lambda: not (self.open_calls() or under_way()))

    def the_carrier_comes(self) -> None:
        """As soon as it is asked, and delivers at once."""
        self.carrier.set(collect_seconds=0, transit_seconds=0)

    # --- what came of it

    def open_calls(self) -> list[tuple[str, str, str]]:
        """Operation, status and reason of each call without an outcome."""
        query = (
            "SELECT operation, status, reason FROM {context}_intent"
            " WHERE status NOT IN ('settled', 'withdrawn') ORDER BY id"
        )
        return [
            (operation, status, reason)
            for context in OUTSIDE
            for operation, status, reason in self.rows(context, query.format(context=context))
        ]

    def status(self, order_id: UUID) -> str:
        [(status,)] = self.rows("orders", "SELECT status FROM orders_order WHERE id = %s", order_id)
        return str(status)

    def wish(self, order_id: UUID) -> str | None:
        found = wish_of(self.owners["orders"], order_id)
        return found[0] if found else None

    def payment(self) -> str | None:
        """The status of the one payment."""
        found = self.rows("payments", "SELECT status FROM payments_payment")
        return found[0][0] if found else None

    def reasons(self, order_id: UUID) -> list[str]:
        """What the customer is told of why not, in the order of time."""
        facts = [each for *_, each in timeline_of(self.owners["orders"], order_id)]
        return [each["reason"] for each in facts if "reason" in each]

    def money(self, order_id: UUID) -> tuple[int, int, int]:
        """Held, captured and refunded at Stripe, in cents."""
        order = self.stripe.ledger()["orders"].get(str(order_id), {})
        return order.get("held", 0), order.get("captured", 0), order.get("refunded", 0)

    def rows(self, context: str, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.owners[context].execute(query, values).fetchall()

    def adds_up(self) -> None:
        """All laws hold, those about gateway and carrier too, which compare the books; nobody is
        charged or booked twice; nothing stands on the desk."""
        self.stripe.clear_faults()
        self.carrier.clear_faults()
        proof = prove(AT_ONCE)
        assert [(each.law.id, each.faults) for each in proof.verdicts if each.faults] == []
        checked = {each.law.id: each.checked for each in proof.verdicts}
        assert checked["I10"] == len(self.stripe.ledger()["payments"])
        assert "I11" in checked
        assert not proof.unfinished
        assert proof.unfinished.parked == 0
        assert self.stripe.ledger()["double_charges"] == []
        assert self.carrier.ledger()["booked_twice"] == []
        assert self.rows("sagas", "SELECT kind, reason FROM sagas_case") == []
