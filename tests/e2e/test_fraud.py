"""The step check_fraud, behind its flag, in both modes."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from waffle.testutils import override_switch

from apps.contracts.plan import Mode, Plan
from apps.contracts.values import PricedLine
from apps.fraud.services import decide_review
from apps.inventory.services import receive_stock
from apps.messaging.calls import work
from apps.pricing.services import NewListPrice, set_list_prices
from tests.e2e.test_orders import STEPS, history, told_of
from tests.e2e.world import CUSTOMER, basket, buy, holdings, open_shop
from tests.fraud.desk import ADA
from tests.running import Platform

Databases = dict[str, psycopg.Connection]
CHECKED = [each for each in STEPS if each != "wrap_gift"]
CHECKS = "SELECT status, decided_by, total_cents, country FROM fraud_assessment"
RING = PricedLine(product_id="ring", quantity=1, unit_price_cents=200_400)  # a person decides


@pytest.fixture
def flag() -> Iterator[None]:
    with override_switch("check_fraud", active=True):
        yield


def test_an_order_is_checked_before_it_is_paid(
    platform: Platform, databases: Databases, mode: Mode, flag: None
) -> None:
    placement = buy(basket(tea=2, cup=1))
    platform.wait_until_ended(1)
    assert told_of(placement.order_id) == ("confirmed", None, None)
    assert history(databases, mode) == [(step, "do", "done") for step in CHECKED]
    assert databases["fraud"].execute(CHECKS).fetchall() == [("cleared", "rules", 2100, "US")]


def test_without_the_flag_nobody_is_checked(
    platform: Platform, databases: Databases, mode: Mode
) -> None:
    buy(basket(tea=1))
    platform.wait_until_ended(1)
    assert databases["fraud"].execute(CHECKS).fetchall() == []
    [(header,)] = databases["orders"].execute("SELECT plan FROM orders_order").fetchall()
    plan = Plan.from_header(header)
    assert (plan.version, "check_fraud" in plan.steps) == (2, False)


def test_an_order_too_fast_is_refused_and_undone(
    platform: Platform, databases: Databases, mode: Mode, flag: None
) -> None:
    databases["fraud"].execute(
        "INSERT INTO fraud_assessment (saga_id, order_id, customer_id, currency, total_cents,"
        " country, status, decided_by) SELECT gen_random_uuid(), gen_random_uuid(), %s, 'USD', 1,"
        " 'US', 'cleared', 'rules' FROM generate_series(1, 30)",
        [CUSTOMER],
    )
    before = holdings(databases)
    placement = buy(basket(tea=2))
    platform.wait_until_ended(1)
    assert told_of(placement.order_id) == ("cancelled", "check_fraud", "FraudSuspected")
    assert holdings(databases) == before


def test_a_later_refusal_lifts_the_check(
    platform: Platform, databases: Databases, mode: Mode, flag: None
) -> None:
    open_shop(stock=0, credit_cents=0)
    before = holdings(databases)
    placement = buy(basket(tea=2))
    platform.wait_until_ended(1)
    assert told_of(placement.order_id)[:2] == ("cancelled", "authorize_payment")
    assert holdings(databases) == before
    assert databases["fraud"].execute(CHECKS).fetchall() == [("lifted", "rules", 900, "US")]
    assert history(databases, mode)[-4:] == [
        (step, "undo", "undone")
        for step in ("check_fraud", "freeze_price", "reserve_stock", "create_order")
    ]


REVIEWS = "SELECT id, status, reasons, total_cents FROM fraud_review"

# Heard later it would set the saga's time anew.
WAITING = "SELECT count(*) FROM sagas_sagaevent WHERE kind = 'waits'"


def asked_about(platform: Platform, databases: Databases) -> UUID:
    """A dear order is placed and a person asked; the review."""
    receive_stock(quantities={"ring": 1}, reason="test")
    set_list_prices(prices={"ring": NewListPrice(RING.unit_price_cents, "USD", "ring")})
    buy([RING])
    platform.wait_until(lambda: work("fraud") > 0, "a person to be asked")
    [(review, *told)] = databases["fraud"].execute(REVIEWS).fetchall()
    assert told == ["open", ["It is worth more than 2,000.00"], 200_400]
    assert databases["payments"].execute("SELECT * FROM payments_payment").fetchall() == []
    id: UUID = review
    return id


@pytest.mark.parametrize(("clear", "status"), [(True, "confirmed"), (False, "cancelled")])
def test_a_dear_order_waits_for_a_person_and_goes_where_they_decide(
    platform: Platform, databases: Databases, mode: Mode, flag: None, clear: bool, status: str
) -> None:
    review = asked_about(platform, databases)
    decide_review(review_id=review, clear=clear, version=0, actor=ADA, reason="I phoned her")
    assert work("fraud") == 1
    platform.wait_until_ended(1)
    [(found,)] = databases["orders"].execute("SELECT status FROM orders_order").fetchall()
    assert found == status
    assert len(databases["fraud"].execute(CHECKS).fetchall()) == int(clear)


def test_an_order_that_nobody_decides_on_is_undone_at_its_deadline(
    platform: Platform, databases: Databases, mode: Mode, flag: None
) -> None:
    asked_about(platform, databases)
    platform.wait_until(
        lambda: platform.count("sagas", WAITING) == 1, "the engine to know that it waits"
    )
    databases["sagas"].execute("UPDATE sagas_saga SET deadline_at = now(), due_at = now()")
    platform.start_watchdog()
    try:
        platform.wait_until(
            lambda: work("fraud") >= 0 and platform.open_ends(1) == [], "it to be undone"
        )
    finally:
        platform.kill("watchdog")
    assert ("ring", 1, 0, 0) in holdings(databases)["inventory"]
    assert databases["fraud"].execute("SELECT status FROM fraud_review").fetchall() == [
        ("withdrawn",)
    ]
    assert databases["fraud"].execute(CHECKS).fetchall() == []
