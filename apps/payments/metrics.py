"""What payments tells of Stripe, and of the money there. docs/metrics.md explains each."""

from django.conf import settings
from prometheus_client import Counter

from apps.messaging.database import Database
from apps.messaging.gauges import Gauge, Measure, Sample, by_service

WEBHOOKS = Counter(
    "stripe_webhooks_total", "Webhooks of Stripe: accepted, or why they were refused", ["result"]
)
EVENTS = Counter("stripe_events_total", "Events of Stripe by what became of them", ["status"])

# Events that nobody has looked into for good: how many, and since when the oldest is here.
WAITING = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)::float8
FROM payments_stripeevent WHERE status = 'received'
"""

# Card holds that are not taken and end before so many hours from now.
ENDING = """
SELECT count(*) FROM payments_payment
WHERE status = 'authorized' AND expires_at IS NOT NULL
  AND expires_at <= now() + make_interval(hours => %b)
"""

# What differs between the gateway's books and ours, and was not seen to be gone.
DIFFERING = """
SELECT count(*) FROM payments_finding WHERE kind = 'gateway_differs' AND gone_at IS NULL
"""

HOLDS_ENDING = Gauge("payment_holds_ending", "Card holds, not taken, that end soon", ())


def read_holds_ending(database: Database) -> list[Sample]:
    """How many, by the setting HOLD_WARNING_HOURS."""
    [(count,)] = database.fetch(ENDING, [settings.HOLD_WARNING_HOURS])
    return [Sample(HOLDS_ENDING.name, (), count)]


MEASURES = (
    by_service(
        WAITING,
        Gauge("stripe_events_waiting", "Events of Stripe that are not looked into yet"),
        Gauge("stripe_events_oldest_seconds", "Age of the oldest of them; 0: there is none"),
        model="StripeEvent",
    ),
    by_service(
        DIFFERING,
        Gauge("gateway_differences", "Payments that the gateway's books and ours tell apart"),
        model="Finding",
    ),
    Measure((HOLDS_ENDING,), read_holds_ending, model="Payment"),
)
