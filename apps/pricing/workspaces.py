"""The price list, as one batch of baskets meets it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self
from uuid import UUID

import msgspec

from apps.contracts.pricing import FreezePrice
from apps.contracts.values import PriceChange, PricedLine
from apps.messaging.database import Database, columns
from apps.messaging.handling import Task, Workspace
from apps.pricing.errors import EmptyBasket, NotAQuantity, NothingFrozen
from apps.pricing.selectors import Offers, prices_on_offer

# The totals that these sagas have frozen, locked in key order.
LOCK_FROZEN = """
SELECT saga_id, total_cents FROM pricing_pricefreeze
WHERE saga_id = ANY(%b::uuid[]) AND status = 'frozen'
ORDER BY saga_id FOR UPDATE
"""

# Promise prices.
SAVE_FREEZES = """
INSERT INTO pricing_pricefreeze (saga_id, order_id, currency, total_cents, lines)
SELECT saga_id, order_id, currency, total_cents, lines::jsonb
FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::bigint[], %b::text[])
    AS given (saga_id, order_id, currency, total_cents, lines)
"""

# Take promises back: frozen -> unfrozen. They are locked.
SAVE_UNFREEZES = """
UPDATE pricing_pricefreeze SET status = 'unfrozen', unfrozen_at = statement_timestamp()
WHERE saga_id = ANY(%b::uuid[]) AND status = 'frozen'
"""


class Freeze(NamedTuple):
    """Prices to be promised."""

    saga_id: UUID
    order_id: UUID
    currency: str
    total_cents: int
    lines: str  # JSON


class PriceList(Workspace):
    """What is on offer now for the batch's baskets, and what its sagas have frozen.

    Prices are read and not locked: see PRICES_ON_OFFER for what that means to a promotion that is
    ended at the same time.
    """

    def __init__(
        self, database: Database, offers: Mapping[str, Offers], frozen: dict[UUID, int]
    ) -> None:
        super().__init__(database)
        self._offers = offers
        self._frozen = frozen
        self._freezes: list[Freeze] = []
        self._unfreezes: list[UUID] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        return cls(
            database,
            prices_on_offer(_products_to_price(tasks)),
            _frozen_by(database, _sagas_to_unfreeze(tasks)),
        )

    def changes(self, currency: str, lines: Iterable[PricedLine]) -> tuple[PriceChange, ...]:
        """The prices that are not on offer in that currency, each once, with the lowest that is."""
        refused = {
            (line.product_id, line.unit_price_cents): self._current(currency, line)
            for line in lines
            if not self._is_on_offer(currency, line)
        }
        return tuple(
            PriceChange(product_id=product_id, seen_cents=seen, current_cents=current)
            for (product_id, seen), current in refused.items()
        )

    def freeze(self, order_id: UUID, currency: str, lines: Sequence[PricedLine]) -> int:
        """Promise these prices to the saga; their total. Raises EmptyBasket, NotAQuantity."""
        if not lines:
            raise EmptyBasket(order_id)
        total = sum(map(_cost, lines))
        document = msgspec.json.encode(lines).decode()
        self._freezes.append(Freeze(self.request.saga_id, order_id, currency, total, document))
        return total

    def unfreeze(self, saga_id: UUID) -> int:
        """Take back what was promised to a saga; the total. Raises NothingFrozen."""
        if saga_id not in self._frozen:
            raise NothingFrozen(saga_id)
        self._unfreezes.append(saga_id)
        return self._frozen.pop(saga_id)

    def save(self) -> None:
        if self._freezes:
            self.database.send(SAVE_FREEZES, columns(self._freezes, 5))
        if self._unfreezes:
            self.database.send(SAVE_UNFREEZES, [self._unfreezes])

    def _is_on_offer(self, currency: str, line: PricedLine) -> bool:
        offers = self._offers.get(line.product_id)
        return (
            offers is not None
            and offers.currency == currency
            and line.unit_price_cents in offers.prices
        )

    def _current(self, currency: str, line: PricedLine) -> int | None:
        offers = self._offers.get(line.product_id)
        return offers.lowest if offers and offers.currency == currency else None


def _cost(line: PricedLine) -> int:
    if line.quantity < 1:
        raise NotAQuantity(line.product_id, line.quantity)
    return line.quantity * line.unit_price_cents


def _products_to_price(tasks: Sequence[Task]) -> set[str]:
    return {
        line.product_id
        for task in tasks
        if isinstance(task.message, FreezePrice)
        for line in task.message.lines
    }


def _sagas_to_unfreeze(tasks: Sequence[Task]) -> list[UUID]:
    return [task.about for task in tasks if not isinstance(task.message, FreezePrice)]


def _frozen_by(database: Database, saga_ids: list[UUID]) -> dict[UUID, int]:
    return dict(database.fetch(LOCK_FROZEN, [saga_ids])) if saga_ids else {}
