"""The contexts and their topics. THE list of contexts: settings, databases and processes follow it.

It imports nothing, for the local stack reads it before any package is installed.
"""

EVENT_TOPICS = {
    "orders": "order-events",
    "inventory": "inventory-events",
    "pricing": "pricing-events",
    "payments": "payment-events",
    "shipping": "shipping-events",
    "notifications": "notification-events",
    "fraud": "fraud-events",
    "sagas": "saga-events",
}
CONTEXTS = tuple(EVENT_TOPICS)
MOVE_MONEY = frozenset({"payments"})  # who asks one of these by hand says who they are
ALERTS = "saga-alerts"  # what a person should look at now; the engine's


def command_topic(context: str) -> str:
    """Where a context is asked."""
    return f"{context}-commands"


def topics_of(context: str) -> tuple[str, ...]:
    """The topics that belong to a context: what it tells, and where it is asked."""
    alerts = (ALERTS,) if context == "sagas" else ()
    return (EVENT_TOPICS[context], command_topic(context), *alerts)


TOPICS = tuple(topic for context in CONTEXTS for topic in topics_of(context))
