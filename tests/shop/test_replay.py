"""Replaying baskets over real HTTP."""

import time
from datetime import UTC, datetime

import pytest
from rich.console import Console

from sagaplatform.shop.baskets import Basket, BasketLine
from sagaplatform.shop.cards import Payment
from sagaplatform.shop.client import OrderSeen, ShopClient, Unreachable
from sagaplatform.shop.progress import LineProgress
from sagaplatform.shop.replay import Replay, Settings, changes_mind, paced
from sagaplatform.shop.result import percentile
from tests.shop.platform import fake_platform

BASKETS = [Basket(each, each % 3, (BasketLine("10", 2, 150),)) for each in range(1, 21)]


@pytest.fixture
def platform():
    with fake_platform() as platform:
        yield platform


def replay(
    platform, *, stall=30.0, patience=30.0, baskets=BASKETS, cancel=0, payment=Payment.CREDIT
):
    client = ShopClient(platform.url, patience)
    settings = Settings(run="run", concurrency=4, stall=stall, cancel=cancel, payment=payment)
    progress = LineProgress(Console(quiet=True), len(baskets))
    return Replay(client, settings, progress).run(baskets, "token-{}".format)


def test_each_basket_is_placed_as_its_household_under_a_key_of_its_own(platform):
    replay(platform)
    assert set(platform.bodies) == {f"run-{each}" for each in range(1, 21)}
    assert platform.tokens["run-7"] == "Token token-1"
    assert platform.bodies["run-5"] == {
        "currency": "USD",
        "payment_method": "credit",
        "gift_wrap": True,
        "lines": [{"product_id": "10", "quantity": 2, "unit_price_cents": 150}],
        "address": {
            "name": "Household 2",
            "street": "2 Sample Street",
            "postal_code": "00002",
            "city": "Sampletown",
            "country": "US",
        },
    }
    assert platform.bodies["run-6"]["gift_wrap"] is False


def test_ends_are_counted_by_reason(platform):
    ends = {"run-1": "StockReservationFailed", "run-2": "PaymentDeclined", "run-3": "NewRefusal"}
    platform.end_of = lambda key: ends.get(key, "confirmed")
    result = replay(platform)
    assert (result.placed, result.ended, result.confirmed) == (20, 20, 17)
    assert result.undone == {"stock short": 1, "credit short": 1, "NewRefusal": 1}
    assert result.is_good
    assert result.rate > 0
    assert all(0 <= latency < 5 for latency in result.latencies)


def test_an_order_that_takes_its_time_is_waited_for(platform):
    done = time.monotonic() + 0.6
    platform.end_of = lambda key: "confirmed" if time.monotonic() > done else None
    assert replay(platform).confirmed == 20


def test_an_error_of_the_server_is_tried_again_under_the_same_key(platform):
    platform.answer_to = lambda key: (503, {}) if platform.posts[key] < 3 else None
    result = replay(platform)
    assert result.placed == 20
    assert set(platform.posts.values()) == {3}


def test_a_refused_request_is_counted_by_its_problem_and_not_repeated(platform):
    problem = {"type": "urn:sagaplatform:problem:invalid_request", "detail": "Too many lines."}
    platform.answer_to = lambda key: (400, problem) if key == "run-4" else None
    result = replay(platform)
    assert result.refused == {"invalid_request": 1}
    assert result.refusals == {"invalid_request": "400 invalid_request: Too many lines."}
    assert platform.posts["run-4"] == 1
    assert (result.placed, result.ended, result.is_good) == (19, 19, False)


def test_orders_that_never_end_are_named_with_where_to_look(platform):
    platform.end_of = lambda key: None if key == "run-9" else "confirmed"
    result = replay(platform, stall=1.0)
    assert result.hanging.startswith("No order ended for 1 seconds; 1 have not: run-9. Look at")
    assert (result.ended, result.is_good) == (19, False)


def test_an_undone_order_without_a_reason_is_not_over(platform):
    platform.end_of = lambda key: ""
    assert replay(platform, stall=0.5, baskets=BASKETS[:1]).ended == 0


def test_a_platform_that_is_gone_is_reported(platform):
    platform.url = "http://127.0.0.1:9"
    with pytest.raises(Unreachable, match=r"gave no usable answer for 0 seconds.*make up"):
        replay(platform, patience=0.3)


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr("sagaplatform.shop.replay.CANCEL_WITHIN", 0.0)


@pytest.mark.usefixtures("no_waiting")
def test_wishes_to_cancel_are_counted_by_what_becomes_of_them(platform):
    conflict = {"type": "urn:sagaplatform:problem:already_shipped", "detail": "It has left."}
    wishes = {"run-1": "cancelled", "run-2": "refused"}
    platform.cancel = lambda key: (202, {}) if key in wishes else (409, conflict)
    platform.wish_of = wishes.get
    result = replay(platform, cancel=100)
    assert (result.wishes, result.decided) == (20, {"cancelled": 1, "refused": 1})
    assert result.turned_down == {"already_shipped": 18}
    assert result.is_good
    assert result.as_json()["wishes_to_cancel"] == {
        "asked": 20,
        "decided": {"cancelled": 1, "refused": 1},
        "turned_down": {"already_shipped": 18},
    }


@pytest.mark.usefixtures("no_waiting")
def test_an_answer_to_a_wish_that_is_no_conflict_is_a_refused_request(platform):
    problem = {"type": "urn:sagaplatform:problem:invalid_request", "detail": "No."}
    platform.cancel = lambda key: (400, problem)
    result = replay(platform, cancel=100, baskets=BASKETS[:1])
    assert (result.refused, result.is_good) == ({"invalid_request": 1}, False)


@pytest.mark.usefixtures("no_waiting")
def test_an_order_is_waited_for_until_the_wish_is_decided(platform):
    done = time.monotonic() + 0.6
    platform.wish_of = lambda key: "refused" if time.monotonic() > done else "returning"
    result = replay(platform, cancel=100, baskets=BASKETS[:1])
    assert (result.decided, result.confirmed) == ({"refused": 1}, 1)


@pytest.mark.parametrize(
    ("status", "refusal", "wish", "over"),
    [
        ("confirmed", None, None, True),
        ("confirmed", None, "returning", False),
        ("confirmed", None, "refused", True),
        ("cancelled", None, "cancelled", True),
        ("cancelled", None, None, False),
        ("cancelled", "PaymentDeclined", "accepted", False),
        ("cancelled", "PaymentDeclined", "cancelled", True),
    ],
)
def test_an_order_is_over_when_end_and_wish_are_known(status, refusal, wish, over):
    seen = OrderSeen("x", status, datetime.now(UTC), refusal, wish)
    assert seen.is_over is over
    assert OrderSeen("x", status, None, refusal, wish).is_over is False


def test_the_share_of_those_who_change_their_minds():
    changed = {
        percent: sum(changes_mind(f"run-{n}", percent) for n in range(1000))
        for percent in (0, 20, 100)
    }
    assert (changed[0], changed[100]) == (0, 1000)
    assert 150 < changed[20] < 250


def test_a_rate_is_kept():
    started = time.monotonic()
    assert list(paced(BASKETS[:5], 20)) == BASKETS[:5]
    assert 0.2 <= time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("share", "value"),
    [(50, 2.0), (75, 3.0), (99, 4.0)],
)
def test_percentiles_are_of_the_nearest_rank(share, value):
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value
    assert percentile([], share) == 0.0


# --- cards


def test_half_of_the_baskets_are_paid_by_card_by_rule(platform):
    replay(platform, payment=Payment.MIXED)
    cards = {key: body.get("card") for key, body in platform.bodies.items()}
    assert [cards[f"run-{each}"] for each in (1, 2, 3, 7, 13)] == [
        "pm_card_visa",
        None,
        "pm_card_threeDSecure2Required",
        "pm_card_visa_chargeDeclinedStolenCard",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
    ]
    assert platform.bodies["run-1"]["payment_method"] == "card"
    assert platform.bodies["run-2"]["payment_method"] == "credit"


def test_customers_do_what_their_payment_waits_for(platform):
    done = {"run-13": platform.cards, "run-3": platform.bank}
    needed = {
        "run-13": {"state": "card_needed", "action_url": None},
        "run-3": {"state": "customer_needed", "action_url": f"{platform.url}/bank/run-3"},
    }
    platform.payment_of = lambda key: (200, needed[key]) if key in needed else (404, {})
    platform.end_of = lambda key: "confirmed" if key in done.get(key, [key]) else None
    result = replay(platform, payment=Payment.CARD)
    assert result.confirmed == 20
    assert platform.cards == {"run-13": "pm_card_visa"}
    assert platform.bank == {"run-3": "answer=approve"}


def test_who_does_not_agree_says_so_and_takes_another_card(platform):
    asked = {"state": "customer_needed", "action_url": f"{platform.url}/bank/run-19"}
    declined = {"state": "card_needed", "action_url": None}
    platform.payment_of = lambda key: (200, declined if platform.bank else asked)
    platform.end_of = lambda key: "confirmed" if key != "run-19" or platform.cards else None
    assert replay(platform, payment=Payment.CARD, baskets=[BASKETS[18]]).confirmed == 1
    assert platform.bank == {"run-19": "answer=fail"}
    assert platform.cards == {"run-19": "pm_card_visa"}


def test_a_declined_card_is_told_from_credit_that_is_short(platform):
    platform.end_of = lambda key: "PaymentDeclined" if key in ("run-7", "run-8") else "confirmed"
    result = replay(platform, payment=Payment.MIXED)
    assert result.undone == {"card declined": 1, "credit short": 1}
