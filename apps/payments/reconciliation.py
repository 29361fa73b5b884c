"""The gateway's books compared with ours (I10): what is held, captured and refunded, both ways.

Reading Stripe takes a while and our database goes on meanwhile: differences.py says what is not
judged, and what differs counts only if it still does in a second reading.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe
import structlog
from django.conf import settings
from uuid_utils.compat import uuid7

from apps.messaging.database import Database
from apps.messaging.dead_letters import describe
from apps.payments import findings
from apps.payments.differences import GRACE, Difference, Reading, compare, named_since
from apps.payments.findings import NewFinding
from apps.payments.gateway_books import MOST, Ledger, read_since, read_these
from apps.payments.models import FindingKind, Reconciliation

log = structlog.get_logger()

WINDOW = timedelta(hours=24)  # of payments that are compared
EVERY = timedelta(hours=1)
SECOND_READING_SECONDS = 2.0
EXAMPLES = 5

# Differences that were told and not seen to be gone.
THERE = """
SELECT key, payment_intent FROM payments_finding
WHERE kind = 'gateway_differs' AND gone_at IS NULL ORDER BY id LIMIT %b
"""

# Whether the last comparison was so long ago.
DUE = """
SELECT coalesce(max(compared_at) <= now() - make_interval(secs => %b), true)
FROM payments_reconciliation
"""

# One process compares at a time; others find it done.
LOCK = "SELECT pg_try_advisory_lock(hashtext('payments_reconciliation'))"
UNLOCK = "SELECT pg_advisory_unlock(hashtext('payments_reconciliation'))"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reconciliation found, after two readings."""

    since: datetime
    compared: int
    not_ours: int
    complete: bool
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "since": self.since.isoformat(),
            "compared": self.compared,
            "not_ours": self.not_ours,
            "complete": self.complete,
            "differences": [
                {
                    "key": each.key,
                    "saga_id": str(each.saga_id),
                    "order_id": str(each.order_id) if each.order_id else None,
                    "payment_intent": each.payment_intent,
                    "text": each.text,
                }
                for each in self.differences
            ],
        }


def reconcile_if_due() -> None:
    """The job: compare once an hour, where there is a gateway to ask. A gateway that is silent is
    asked again at the next turn."""
    if not settings.STRIPE_API_KEY or not _is_due():
        return
    database = Database("payments")
    if not database.fetch(LOCK)[0][0]:
        return
    try:
        if _is_due():
            reconcile()
    except stripe.StripeError as error:
        log.warning("gateway_not_compared", error=f"{type(error).__name__}: {describe(error)}")
    finally:
        database.fetch(UNLOCK)


def reconcile(
    window: timedelta = WINDOW, grace: timedelta = GRACE, pause: float | None = None
) -> Outcome:
    """Compare the payments of so long a time; tell a person of each difference, once, and keep
    what was found. Raises stripe.StripeError where the gateway does not answer."""
    began = time.monotonic()
    ledger = read_ledger(window)
    first = compare(ledger, grace)
    pause = SECOND_READING_SECONDS if pause is None else pause
    lasting = _seen_again(first, ledger, grace, pause)
    outcome = Outcome(
        ledger.since, len(first.compared), first.not_ours, ledger.complete, tuple(lasting)
    )
    _write_down(outcome, first.compared, time.monotonic() - began)
    return outcome


def read_ledger(window: timedelta = WINDOW) -> Ledger:
    """What the gateway says of the payments of so long a time, on either side, and of those of
    which a difference was told. It takes a while: no transaction should be open."""
    listed = read_since(datetime.now(UTC) - window)
    return listed.with_these(named_since(listed.since) | {name for _, name in _told()})


def _seen_again(first: Reading, ledger: Ledger, grace: timedelta, pause: float) -> list[Difference]:
    """Read once more what differs: it counts only if it still does."""
    if not first.differences:
        return []
    time.sleep(pause)
    orders = {each.order_id for each in first.differences if each.order_id}
    of_orders = {each.id for each in ledger.payments.values() if each.order_id in orders}
    again = read_these({each.payment_intent for each in first.differences} | of_orders)
    known = {each.key for each in first.differences}
    return [each for each in compare(again, grace).differences if each.key in known]


def _write_down(outcome: Outcome, compared: Collection[str], seconds: float) -> None:
    database = Database("payments")
    lasting = {each.key for each in outcome.differences}
    with database.transaction():
        for each in outcome.differences:
            findings.tell(_finding(each))
        gone = [key for key, name in _told() if name in compared and key not in lasting]
        if findings.are_gone(gone):
            log.info("differences_gone", keys=gone)
        Reconciliation.objects.create(
            id=uuid7(),
            compared_at=datetime.now(UTC),
            since=outcome.since,
            seconds=round(seconds, 3),
            compared=outcome.compared,
            not_ours=outcome.not_ours,
            complete=outcome.complete,
            differences=len(outcome.differences),
            examples=[each.text for each in outcome.differences[:EXAMPLES]],
        )


def _finding(found: Difference) -> NewFinding:
    name = found.payment_intent
    of = (found.saga_id, found.order_id, name, name)
    return NewFinding(found.key, FindingKind.GATEWAY_DIFFERS, *of, found.text)


def _told() -> list[tuple[str, str]]:
    """The differences that were told and not seen to be gone: key and PaymentIntent."""
    return [(key, name) for key, name in Database("payments").fetch(THERE, [MOST])]


def _is_due() -> bool:
    return bool(Database("payments").fetch(DUE, [EVERY.total_seconds()])[0][0])
