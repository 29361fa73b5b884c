"""What can go wrong with an order. A docstring is the error's message."""

from apps.messaging.errors import MessagingError, sentence_of


class OrdersError(Exception):
    """Something is wrong with an order."""

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        message = sentence_of(self)
        told = ", ".join(f"{name}={value}" for name, value in facts.items())
        super().__init__(f"{message} ({told})" if told else message)


class IdempotencyKeyReused(OrdersError):
    """The Idempotency-Key was used for another request. Repeat the request exactly as it was, or
    send the new one under a new key."""


class TooManyOrders(OrdersError):
    """The customer has placed as many orders as a minute allows. Wait, then send it again."""

    def __init__(self, wait: float, **facts: object) -> None:
        self.wait = wait  # seconds
        super().__init__(**facts)


class NoSuchOrder(OrdersError):
    """There is no order of that id: search for its number."""


class CannotBeCancelled(OrdersError):
    """The order cannot be cancelled, or not any more. Read why in its representation."""

    def __init__(self, code: str, why_not: str, **facts: object) -> None:
        self.code, self.why_not = code, why_not
        super().__init__(code=code, **facts)


class CannotBeReturned(OrdersError):
    """Goods of the order cannot be returned, or not so many. Read why in its representation."""

    def __init__(self, code: str, why_not: str, **facts: object) -> None:
        self.code, self.why_not = code, why_not
        super().__init__(code=code, **facts)


class UnknownReturn(OrdersError):
    """No open return belongs to this saga. Compare the saga with the order's returns."""


class UnknownCancellation(OrdersError):
    """No open wish to cancel belongs to this saga, or its order is not confirmed. Compare the saga
    with the order's cancellation."""


class UnknownOrder(OrdersError):
    """No order belongs to this saga, though orders started it. Restore the order from a backup,
    then replay the message."""


class OrderHasEnded(OrdersError):
    """The order has already ended the other way. Look at its saga: two of its steps contradict
    each other."""


class NoStartToTell(OrdersError):
    """No order of that id is under way or being taken back: it has ended, or never was. Compare the
    id with the list of orders."""


class NoSuchShare(MessagingError):
    """A share of sagas is a whole number from 0 to 100 percent."""


class ModeMoved(MessagingError):
    """Somebody has changed the mode since you looked: look again, then decide anew."""
