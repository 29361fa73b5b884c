"""Stock that people change: goods that come in, and counts that find another number."""

from collections.abc import Mapping

from apps.inventory.errors import NotAQuantity
from apps.inventory.models import MovementKind
from apps.inventory.workspaces import LOCK_STOCK
from apps.messaging.database import Database, columns

# Give products that are new here an empty shelf, and those that are named their name.
ADD_PRODUCTS = """
INSERT INTO inventory_stock (product_id, name)
SELECT product_id, name FROM unnest(%b::text[], %b::text[]) AS given (product_id, name)
ORDER BY product_id
ON CONFLICT (product_id) DO UPDATE SET name = EXCLUDED.name
WHERE EXCLUDED.name NOT IN ('', inventory_stock.name)
"""

# Write down what is added to on hand, and add it. The stock is locked.
ADD_ON_HAND = """
WITH added AS (
    SELECT product_id, quantity FROM unnest(%b::text[], %b::int[]) AS given (product_id, quantity)
    WHERE quantity <> 0
), written AS (
    INSERT INTO inventory_stockmovement (product_id, kind, on_hand, reason)
    SELECT product_id, %b::text, quantity, %b::text FROM added
)
UPDATE inventory_stock AS stock SET on_hand = stock.on_hand + added.quantity
FROM added WHERE stock.product_id = added.product_id
"""


def receive_stock(
    *, quantities: Mapping[str, int], reason: str, names: Mapping[str, str] | None = None
) -> None:
    """Goods came in: pieces by product id. A product that is new gets its shelf, one with 0 pieces
    an empty one. Names are for people. Raises NotAQuantity below 0; then nothing was received.
    """
    _refuse_negative(quantities)
    database = Database("inventory")
    with database.transaction():
        _lock_shelves(database, quantities, names or {})
        _add(database, quantities, MovementKind.RECEIVED, reason)


def set_stock(
    *, on_hand: Mapping[str, int], reason: str, names: Mapping[str, str] | None = None
) -> None:
    """A count found so many pieces free to sell, by product id: the difference becomes a
    correction. What is reserved stays. Raises NotAQuantity below 0; then nothing was corrected.
    """
    _refuse_negative(on_hand)
    database = Database("inventory")
    with database.transaction():
        found = _lock_shelves(database, on_hand, names or {})
        differences = {product: count - found[product] for product, count in on_hand.items()}
        _add(database, differences, MovementKind.CORRECTION, reason)


def _refuse_negative(quantities: Mapping[str, int]) -> None:
    for product_id, quantity in quantities.items():
        if quantity < 0:
            raise NotAQuantity(product_id, quantity)


def _lock_shelves(
    database: Database, products: Mapping[str, int], names: Mapping[str, str]
) -> dict[str, int]:
    """What is on hand of each product, locked; new ones are added."""
    named = [(product_id, names.get(product_id, "")) for product_id in products]
    database.execute(ADD_PRODUCTS, columns(named, 2))
    return dict(database.fetch(LOCK_STOCK, [list(products)]))


def _add(
    database: Database, quantities: Mapping[str, int], kind: MovementKind, reason: str
) -> None:
    database.execute(ADD_ON_HAND, [list(quantities), list(quantities.values()), kind.value, reason])
