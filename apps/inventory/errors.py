"""What inventory does not expect. A docstring is the error's message."""

from uuid import UUID

from apps.messaging.errors import MessagingError, sentence_of


class InventoryError(Exception):
    """Something that inventory was told cannot be right."""


class NotAQuantity(InventoryError):
    """A quantity is out of its range. Correct what was sent; nothing was changed."""

    def __init__(self, product_id: str, quantity: int) -> None:
        self.product_id = product_id
        self.quantity = quantity
        super().__init__(f"{self.__doc__} (product {product_id!r}: {quantity})")


class EmptyBasket(InventoryError):
    """A basket without lines reserves nothing. Correct the sender."""

    def __init__(self, order_id: UUID) -> None:
        self.order_id = order_id
        super().__init__(f"{self.__doc__} (order {order_id})")


class OfASaga(InventoryError):
    """Something unexpected about the goods of one saga."""

    def __init__(self, saga_id: UUID) -> None:
        self.saga_id = saga_id
        super().__init__(f"{sentence_of(self)} (saga {saga_id})")


class NothingReserved(OfASaga):
    """This saga holds no stock, so there is none to release or ship. Look at its reservations:
    they were settled already, or never made."""


class NotShippedYet(OfASaga):
    """Goods came back of which the hand-over is not booked out. Replay the ShipmentHandedOver that
    is parked; what came back follows when its saga asks again."""


class NoSuchArrival(MessagingError):
    """Nothing of that id is expected. Look at the list of arrivals."""


class ArrivalClosed(MessagingError):
    """It is settled already what arrived, or nobody waits for it any more: nothing was changed."""


class ArrivalMoved(MessagingError):
    """Somebody changed it since you looked. Look at it again, then decide."""


class ArrivalBusy(MessagingError):
    """At this very moment it is asked what arrived. Nothing was changed; do it again in a few
    seconds."""


class NotWhatWasAnnounced(MessagingError):
    """At least one piece is accepted, no more than were announced, and no more of these are damaged
    than are accepted. Where nothing can be accepted, refuse. Nothing was changed."""
