"""What notifications tells of its mails from outside. docs/metrics.md explains each."""

from prometheus_client import Counter

from apps.messaging.gauges import Gauge, by_service

# Messages that wait to be sent: how many, and since when the oldest has been due.
QUEUED = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0)::float8
FROM notifications_dispatch WHERE status = 'queued' AND due_at <= clock_timestamp()
"""
MEASURES = (
    by_service(
        QUEUED,
        Gauge("dispatches_due", "Mails and pushes to customers that are due"),
        Gauge("dispatches_oldest_due_seconds", "For how long the oldest has been"),
        model="Dispatch",
    ),
)

DISPATCHES = Counter(
    "dispatches_total",
    "Calls that sent a message to a customer, by what came of them; queued: it is tried again",
    ["kind", "channel", "status"],
)
BOUNCES = Counter("bounces_total", "What the mail provider told of mails that came back", ["found"])


def count_dispatch(kind: str, channel: str, status: str) -> None:
    """A message was sent, or was not."""
    DISPATCHES.labels(kind, str(channel), str(status)).inc()


def count_bounce(found: str) -> None:
    """The mail provider told of a mail that came back."""
    BOUNCES.labels(found).inc()
