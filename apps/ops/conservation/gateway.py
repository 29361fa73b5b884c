"""The law about the money outside: the gateway's books and ours, compared by payments."""

from datetime import timedelta

from django.conf import settings

from apps.ops.conservation.proof import Tally
from apps.payments.differences import compare
from apps.payments.gateway_books import Ledger
from apps.payments.reconciliation import read_ledger


def read_books() -> Ledger | None:
    """What the gateway says of the last day; None where there is no gateway to ask.

    Raises stripe.StripeError where it does not answer.
    """
    return read_ledger() if settings.STRIPE_API_KEY else None


def as_payments_says(books: Ledger, grace: timedelta) -> Tally:
    """What differs from our books, as the open snapshot has them."""
    reading, tally = compare(books, grace), Tally()
    tally.checked = len(reading.compared)
    for each in reading.differences:
        tally.fault(f"saga {each.saga_id}", each.text)
    return tally
