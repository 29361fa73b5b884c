"""What pricing does not expect. A docstring is the error's message."""

from uuid import UUID


class PricingError(Exception):
    """Something that pricing was told cannot be right."""


class NotAQuantity(PricingError):
    """A line asks for less than one piece. Correct what was sent; nothing was changed."""

    def __init__(self, product_id: str, quantity: int) -> None:
        self.product_id = product_id
        self.quantity = quantity
        super().__init__(f"{self.__doc__} (product {product_id!r}: {quantity})")


class EmptyBasket(PricingError):
    """A basket without lines has no price. Correct the sender."""

    def __init__(self, order_id: UUID) -> None:
        self.order_id = order_id
        super().__init__(f"{self.__doc__} (order {order_id})")


class NothingFrozen(PricingError):
    """This saga holds no frozen prices: they were taken back already, or never frozen."""

    def __init__(self, saga_id: UUID) -> None:
        self.saga_id = saga_id
        super().__init__(f"{self.__doc__} (saga {saga_id})")
