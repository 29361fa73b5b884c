"""The watch over holds: a bank lets go what is not taken in time; a person should know before."""

from datetime import datetime
from uuid import UUID

from django.conf import settings

from apps.messaging.database import Database, Row
from apps.messaging.display import money
from apps.payments import findings
from apps.payments.findings import NewFinding, order_in_words
from apps.payments.models import FindingKind

MOST = 500  # in one turn; the next takes the others

# Holds that end soon and of which nobody was told, locked so that none is taken meanwhile.
ENDING = """
SELECT saga_id, order_id, currency, amount_cents, reference, expires_at, expires_at <= now()
FROM payments_payment AS payment
WHERE status = 'authorized' AND expires_at IS NOT NULL
  AND expires_at <= now() + make_interval(hours => %b)
  AND NOT EXISTS (SELECT FROM payments_finding AS finding
                  WHERE finding.key = 'hold_ends:' || payment.saga_id::text)
ORDER BY expires_at LIMIT %b FOR UPDATE OF payment SKIP LOCKED
"""


def watch() -> int:
    """Tell of each hold that ends within HOLD_WARNING_HOURS, once; how many were told now."""
    database = Database("payments")
    with database.transaction():
        ending = database.fetch(ENDING, (settings.HOLD_WARNING_HOURS, MOST))
        return sum(findings.tell(_finding(row)) for row in ending)


def _finding(row: Row) -> NewFinding:
    saga_id, order_id, currency, cents, reference, expires_at, is_over = row
    return NewFinding(
        key=f"{FindingKind.HOLD_ENDS}:{saga_id}",
        kind=FindingKind.HOLD_ENDS,
        saga_id=saga_id,
        order_id=order_id,
        reference=reference or str(saga_id),
        payment_intent=reference,
        text=_words(order_id, money(cents, currency), reference, expires_at, is_over),
    )


def _words(order_id: UUID, amount: str, reference: str, at: datetime, is_over: bool) -> str:
    ends = "has ended" if is_over else "ends"
    return (
        f"The hold of {amount} on the card for {order_in_words(order_id)} ({reference}) {ends} at "
        f"{at:%Y-%m-%d %H:%M} UTC, and is not captured. After that nothing can be taken. See why "
        "the saga waits: retry what holds it up, so that it captures in time, or compensate it."
    )
