"""Somebody is away for longer than a step may take: no order ends otherwise for it."""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest

from apps.contracts.values import PricedLine
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from tests.e2e.world import PRICES, basket, buy
from tests.running import Platform

Databases = dict[str, psycopg.Connection]
ORDERS = 60
AT_PRICES = "SELECT count(*) FROM sagas_saga WHERE pending_step = 'freeze_price'"
FROZEN = "SELECT count(*) FROM pricing_sagalog WHERE step = 'freeze_price'"
ENDS = "SELECT status, cause_type, count(*) FROM sagas_saga GROUP BY 1, 2 ORDER BY 1, 2"
GIVEN_UP = "SELECT count(*) FROM sagas_sagaevent WHERE kind IN ('turned_back', 'stuck')"
TOO_LATE = "UPDATE sagas_saga SET due_at = now() WHERE ended_at IS NULL"
LEFT_TO_TELL = "SELECT count(*) FROM sagas_saga WHERE ended_at IS NULL AND due_at <= now()"


@pytest.fixture
def watch(platform: Platform) -> Iterator[Callable[..., Platform]]:
    """Starts the watchdog, with settings of its own."""
    yield platform.start_watchdog
    if "watchdog" in platform.processes:
        platform.kill("watchdog")


def test_answers_that_wait_in_kafka_are_waited_for(
    platform: Platform, databases: Databases, watch: Callable[..., Platform]
) -> None:
    """The engine is away for longer than a step may take, and every deadline passes. The first
    brake holds alone: the second never has enough late sagas."""
    watch(WATCHDOG_FEWEST_LATE="1000")
    wrong_price = (PricedLine(product_id="tea", quantity=1, unit_price_cents=PRICES["tea"] - 1),)
    kinds = itertools.cycle([basket(tea=1), basket(cup=2, cake=1), wrong_price, basket(cake=3)])
    baskets = list(itertools.islice(kinds, ORDERS))
    platform.kill("pricing")  # so that half of the sagas have an answer coming
    for lines in baskets[: ORDERS // 2]:
        buy(lines)
    platform.wait_until(
        lambda: platform.count("sagas", AT_PRICES) == ORDERS // 2, "half of them to wait"
    )
    platform.wait_until(lambda: platform.unsent("sagas") == 0, "their commands to be sent")
    platform.kill("sagas")
    platform.start(["pricing"])
    platform.wait_until(
        lambda: platform.count("pricing", FROZEN) == ORDERS // 2, "their answers to be written"
    )
    platform.wait_until(lambda: platform.unsent("pricing") == 0, "their answers to be told")
    databases["sagas"].execute("UPDATE sagas_saga SET deadline_at = now()")
    for lines in baskets[ORDERS // 2 :]:
        buy(lines)

    for _ in range(3):
        databases["sagas"].execute(TOO_LATE)
        platform.wait_until(lambda: platform.count("sagas", LEFT_TO_TELL) == 0, "a look at them")

    assert platform.count("sagas", GIVEN_UP) == 0
    platform.start(["sagas"])
    platform.wait_until_ended(ORDERS)
    assert databases["sagas"].execute(ENDS).fetchall() == [
        ("confirmed", "", 45),
        ("undone", "PriceFreezeFailed", 15),
    ]
    proof = prove(Patience(moment=timedelta(0)))
    assert {str(each.law): each.faults for each in proof.verdicts if each.faults} == {}


# For every saga that waits, the longest of its waits is over.
TIME_PASSES = """
UPDATE sagas_saga SET due_at = due_at - interval '400 seconds' WHERE ended_at IS NULL
"""


def test_a_participant_that_is_away_makes_no_mass_refund(
    platform: Platform, databases: Databases, watch: Callable[..., Platform]
) -> None:
    """Its answers are nowhere: the second brake holds, for too many are late at once."""
    platform.kill("pricing")
    for _ in range(ORDERS):
        buy(basket(tea=1))
    platform.wait_until(lambda: platform.count("sagas", AT_PRICES) == ORDERS, "all to wait")
    watch()
    for _ in range(6):  # more often than a step is asked
        databases["sagas"].execute(TIME_PASSES)
        platform.wait_until(lambda: platform.count("sagas", LEFT_TO_TELL) == 0, "all to be told")

    assert platform.count("sagas", GIVEN_UP) == 0
    platform.start(["pricing"])
    platform.wait_until_ended(ORDERS)
    assert databases["sagas"].execute(ENDS).fetchall() == [("confirmed", "", ORDERS)]
