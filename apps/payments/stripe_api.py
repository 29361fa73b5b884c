"""The client of Stripe's API, the same for all who ask: patient for seconds, never for minutes.

The SDK's own defaults can block one call for four minutes.
"""

from functools import lru_cache
from uuid import UUID

import stripe
from django.conf import settings

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 10.0
RETRIES = 1  # by the SDK, under the same key; what is still unknown then is asked again by the row


def client() -> stripe.StripeClient:
    """Stripe, or what STRIPE_API_BASE names. There is a key: nothing asks for a client without."""
    return _client(settings.STRIPE_API_KEY, settings.STRIPE_API_BASE)


@lru_cache(maxsize=4)
def _client(key: str, base: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": base} if base else None,
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS)),
    )


def as_id(text: object) -> UUID | None:
    """An id of ours in Stripe's metadata; None where there is none, or something else."""
    try:
        return UUID(str(text)) if text else None
    except ValueError:
        return None
