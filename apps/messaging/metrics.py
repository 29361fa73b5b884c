"""What the messaging layer counts, and the functions that count it. docs/metrics.md explains each.

A consumer pays for them once a batch; the barrier's decisions are counted where they are unusual.
What was decided in a transaction is counted after its commit, so that a batch that is tried again
counts once.
"""

from collections import Counter as Counted
from collections.abc import Iterable
from functools import partial

from django.conf import settings
from django.db import transaction
from prometheus_client import Counter, Gauge, Histogram

from apps.messaging.database import Database
from apps.messaging.serving import start_server

MESSAGES_HANDLED = Counter(
    "messages_handled_total", "Messages carried out, or passed over as others' concern", ["service"]
)
MESSAGES_PARKED = Counter(
    "messages_parked_total", "Messages that were given up and parked", ["service"]
)
BARRIER_DECISIONS = Counter(
    "barrier_decisions_total", "Unusual decisions of the barrier", ["service", "decision"]
)
BATCH_SIZE = Histogram(
    "batch_size", "Messages in one batch", ["service"], buckets=(1, 2, 5, 10, 20, 50, 100)
)
BATCH_SECONDS = Histogram(
    "batch_seconds",
    "Time to settle one batch, with repetitions and their pauses",
    ["service"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
CALLS_MADE = Counter(
    "outside_calls_total",
    "Calls to a provider, by what it let hear: an answer, silence, or that it was not called",
    ["service", "provider", "heard"],
)
# A moment that has been stays true when its process has died, hence `max`. Anything else that a
# process says of itself must be of a `live...` mode, or it is told for ever.
OUTBOX_SWEPT = Gauge(
    "outbox_swept_timestamp_seconds",
    "When the outbox was last looked through for overdue messages",
    ["service"],
    multiprocess_mode="max",
)
TURNED = Gauge(
    "watchdog_turned_timestamp_seconds",
    "When the watchdog of a context last looked for what is overdue",
    ["service"],
    multiprocess_mode="max",
)


def begin(service: str) -> None:
    """Show what this consumer counts as 0 from its start on, so that a first event is a rise."""
    MESSAGES_HANDLED.labels(service)
    MESSAGES_PARKED.labels(service)


def observe_batch(service: str, *, messages: int, parked: int, seconds: float) -> None:
    """A batch was settled: each of its messages carried out, passed over, or parked."""
    MESSAGES_HANDLED.labels(service).inc(messages - parked)
    BATCH_SIZE.labels(service).observe(messages)
    BATCH_SECONDS.labels(service).observe(seconds)
    if parked:
        MESSAGES_PARKED.labels(service).inc(parked)


def count_decisions(database: Database, decisions: Iterable[str]) -> None:
    """Count unusual decisions of the barrier, as soon as the open transaction has committed."""
    if counted := Counted(decisions):
        transaction.on_commit(partial(_count, database.alias, counted), using=database.alias)


def tell_swept(service: str) -> None:
    """The outbox of a context was looked through now, whether or not anything was overdue."""
    OUTBOX_SWEPT.labels(service).set_to_current_time()


def serve_metrics() -> None:
    """Give this process's metrics on the port of METRICS_PORT, from a thread; 0: on none.

    For processes that serve no HTTP, each in a container of its own.
    """
    if settings.METRICS_PORT:
        start_server(settings.METRICS_PORT)


def _count(service: str, counted: Counted[str]) -> None:
    for decision, times in counted.items():
        BARRIER_DECISIONS.labels(service, str(decision)).inc(times)
