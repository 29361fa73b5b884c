"""No statement can ask for the time past the simulated clock."""

import re
from collections.abc import Iterator
from pathlib import Path

from apps.messaging.database import Database
from sagaplatform.env import CONTEXTS
from tests.reliability.simulation.clock import DEFAULTS, EPOCH, FUNCTIONS, Clock, told_by
from tests.reliability.simulation.harness import Owners

APPS = Path(__file__).parents[3] / "apps"
# What else PostgreSQL tells the time by: keywords and functions that a search path cannot replace.
PAST_THE_CLOCK = re.compile(
    r"\b(current_timestamp|current_time|current_date|localtimestamp|localtime|timeofday)\b|'now'",
    re.IGNORECASE,
)
COLUMNS_WITH_A_TIME_OF_THEIR_OWN = """
SELECT attrelid::regclass::text, attname FROM pg_attrdef
JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
WHERE pg_get_expr(adbin, adrelid) LIKE '%timestamp()%' OR pg_get_expr(adbin, adrelid) LIKE '%now()%'
"""

# Columns with such a default that are not compared, though others of their names are.
NAMESAKES = {
    ("orders_idempotencykey", "created_at"): "an outbox's is, and is written by its statement",
    ("payments_payment", "changed_at"): "a saga log's is, for the admin",
    ("orders_cancellation", "start_told_at"): "an order's is; a wish's is set when its saga starts",
    ("orders_modeshare", "changed_at"): "a saga log's is, for the audit",
    ("pricing_listprice", "changed_at"): "a saga log's is, for the admin",
    ("shipping_giftwrap", "changed_at"): "a saga log's is, for the admin",
    ("payments_ledgerentry", "at"): "a timeline's is, and comes from the messages' ids",
    ("fraud_assessment", "assessed_at"): "it is, and the simulation's flag leaves nobody checked",
    (
        "fraud_review",
        "asked_at",
    ): "of a card's attempt one is, in Python; a review's is for the desk",
    ("payments_payment", "authorized_at"): "by the reconciliation with the gateway, not run here",
    ("payments_cardattempt", "changed_at"): "a saga log's is; attempts are of Stripe's adapter",
    (
        "payments_stripeevent",
        "changed_at",
    ): "a saga log's is; the simulation's gateway tells nothing",
    ("payments_stripeevent", "due_at"): "it is, and the simulation's gateway tells nothing",
    ("payments_stripeevent", "received_at"): "a carrier's is; the gateway here tells nothing",
    (
        "notifications_contact",
        "changed_at",
    ): "it is, and the simulation's customers have no address",
    ("notifications_dispatch", "changed_at"): "a contact's is; nobody here has an address",
    ("notifications_dispatch", "due_at"): "it is, and nobody in the simulation has an address",
    ("orders_cancellation", "requested_at"): "a return's is",
    ("payments_refund", "asked_at"): "a review's is; a refund's is for the admin",
    ("payments_refund", "changed_at"): "a saga log's is; a refund's is for the admin",
    ("pricing_promotion", "starts_at"): "it is, and the simulation starts no promotions",
}


def shipped() -> Iterator[tuple[str, str]]:
    """The code's files, but for migrations, which run before the simulation."""
    for path in sorted(APPS.rglob("*.py")):
        if "migrations" not in path.parts:
            yield str(path.relative_to(APPS)), path.read_text()


def test_every_way_to_ask_for_the_time_is_simulated(world: Owners) -> None:
    clock = Clock()
    with told_by(clock):
        clock.move(90)
        clock.show("orders")
        asked = ", ".join(f"{each}()" for each in FUNCTIONS)
        [times] = Database("orders").fetch(f"SELECT {asked}")
    assert [(each - EPOCH).total_seconds() for each in times] == [90.0] * len(FUNCTIONS)


def test_no_statement_asks_past_the_clock() -> None:
    assert [name for name, text in shipped() if PAST_THE_CLOCK.search(text)] == []


def test_a_default_that_is_the_real_time_is_corrected_or_compared_with_nothing(
    world: Owners,
) -> None:
    found = {
        (table, column)
        for alias in CONTEXTS
        for table, column in world[alias].execute(COLUMNS_WITH_A_TIME_OF_THEIR_OWN).fetchall()
    }
    corrected = {(table, column) for table, columns in DEFAULTS.items() for column in columns}
    assert corrected <= found
    compared = {(table, column) for table, column in found - corrected if is_compared(column)}
    assert compared == set(NAMESAKES)


def is_compared(column: str) -> bool:
    """Whether a statement compares a column of that name with a time."""
    pattern = re.compile(rf"\b{column}\b\s*(<|>|<=|>=|BETWEEN)|\b{column}__(lt|gt)", re.IGNORECASE)
    return any(pattern.search(text) for _, text in shipped())


def test_a_thread_that_an_earlier_test_left_running_can_sleep() -> None:
    clock = Clock()
    clock.sleep(0.0)  # as a postman does, to whom the clock is the module `time`
    assert clock.monotonic() == 0.0, "real sleep moves no simulated time"
