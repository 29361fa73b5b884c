"""The kit finds what it is there to find: each of these faults shows in one crash."""

from pathlib import Path

import psycopg
import pytest

from apps.contracts.catalogue import Action
from tests.reliability.crash.kit import Kit
from tests.reliability.crash.planted import FAULTS
from tests.reliability.crash.points import WATCHDOG, Case, Job, Role
from tests.reliability.crash.scenarios import SCENARIOS, Shop
from tests.reliability.crash.way import Asked

INVENTORY = Role(Job.CONSUMER, "inventory")
ORDERS = Role(Job.CONSUMER, "orders")
PAYMENTS = Role(Job.CONSUMER, "payments")
WORKER = Role(Job.WORKER, "payments")
RESERVE = Asked("reserve_stock", Action.DO)
CONFIRM = Asked("confirm_order", Action.DO)
AUTHORIZE = Asked("authorize_payment", Action.DO)
CAPTURE = Asked("capture_payment", Action.DO)
RESTOCK = Asked("restock", Action.DO)
REFUND = Asked("refund_return", Action.DO)


@pytest.mark.parametrize(
    ("planted", "where", "scenario", "case", "found"),
    [
        (
            "offsets_first", INVENTORY, "confirmed by store credit",
            Case(INVENTORY, "batch.before_commit", RESERVE),
            "no use in waiting for all to end",
        ),
        (
            "told_before_commit", ORDERS, "confirmed by store credit",
            Case(ORDERS, "batch.before_commit", CONFIRM),
            "its parcel left the house, but its order is not confirmed",
        ),
        (
            "called_before_claimed", WORKER, "out of time by card",
            Case(WORKER, "intent.called", AUTHORIZE, late=AUTHORIZE),
            "'authorize') and we do not know",
        ),
        (
            "undone_in_flight", PAYMENTS, "out of time by card",
            Case(WORKER, "intent.claimed", AUTHORIZE, late=AUTHORIZE),
            "authorize_payment was last told nothing_to_undo, but its row is done",
        ),
        pytest.param(
            "unfenced", WATCHDOG, "out of time by card by events",
            Case(WORKER, "intent.called", CAPTURE, late=CAPTURE),
            "1 messages of orders are parked",  # to confirm an order whose parcel was cancelled
            marks=pytest.mark.campaign,  # while a watchdog watches, a saga is lost after a minute
        ),
        pytest.param(
            "restocked_again", INVENTORY, "sent back for store credit",
            Case(INVENTORY, "consumer.before_offsets", RESTOCK),
            "1 messages of inventory are parked",  # one movement per return, says the database
            marks=pytest.mark.campaign,  # a stage of its own costs seconds
        ),
        pytest.param(
            "refunded_anew", WORKER, "sent back with Stripe",
            Case(WORKER, "intent.called", REFUND),
            "Stripe has (0, 900, 900) of",
            marks=pytest.mark.campaign,
        ),
    ],
    ids=FAULTS,
)  # fmt: skip
def test_a_planted_fault_shows(
    owners: dict[str, psycopg.Connection],
    tmp_path: Path,
    planted: str,
    where: Role,
    scenario: str,
    case: Case,
    found: str,
) -> None:
    [told] = [each for each in SCENARIOS if each.name == scenario]
    assert case in told.cases()
    with Kit(owners, tmp_path, Shop, {where: planted}) as kit:
        [result] = kit.run(told, [case])

    assert result.reached
    assert found in "; ".join(result.faults)
