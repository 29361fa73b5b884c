"""The peer's tables: those of the platform's business, as its models make them, all in one schema
of one database. DBOS' own lie beside them."""

from pathlib import Path

import msgspec
from django.db import connections
from django.db.models import Model

from apps.inventory.models import Reservation, Stock, StockMovement
from apps.notifications.models import Contact, CustomerMessage, Dispatch
from apps.orders.models import Cancellation, IdempotencyKey, Order, OrderEvent, OrderLine
from apps.payments.models import Account, LedgerEntry, Payment
from apps.pricing.models import ListPrice, PriceFreeze, Promotion
from apps.shipping.models import Shipment
from benchmarks.environment import Owners, owner_url
from benchmarks.errors import WrongOutcome
from benchmarks.shop import CREDIT_CENTS, CUSTOMERS, STOCK, prices

HOME = "orders"  # the database that they are in
SCHEMA = "peer"
STEPS_SCHEMA, SYSTEM_SCHEMA = "peer_steps", "peer_dbos"
MODELS: tuple[type[Model], ...] = (
    Order, OrderLine, OrderEvent, IdempotencyKey, Cancellation, Stock, StockMovement, Reservation,
    ListPrice, Promotion, PriceFreeze, Account, LedgerEntry, Payment, Shipment, Contact,
    CustomerMessage, Dispatch,
)  # fmt: skip

# The same shop as the platform's: stock, prices and credit.
FILL_STOCK = """
INSERT INTO peer.inventory_stock (product_id, on_hand) SELECT unnest(%s::text[]), %s
"""
FILL_PRICES = """
INSERT INTO peer.pricing_listprice (product_id, unit_price_cents, currency)
SELECT product_id, cents, 'USD' FROM unnest(%s::text[], %s::int[]) AS given (product_id, cents)
"""
FILL_ACCOUNTS = """
INSERT INTO peer.payments_account (customer_id, currency, available_cents)
SELECT customer_id, 'USD', %s FROM generate_series(1, %s) AS customer_id
"""

# How many orders are confirmed and their customers told; how many workflows DBOS calls a success.
OUTCOME = """
SELECT (SELECT count(*) FROM peer.orders_order WHERE status = 'confirmed'),
       (SELECT count(*) FROM peer.notifications_customermessage),
       (SELECT count(*) FROM peer_dbos.workflow_status WHERE status = 'SUCCESS')
"""


class Spec(msgspec.Struct, frozen=True):
    """What a process of the peer is told."""

    url: str
    threads: int
    sagas: int
    number: int


def drop(owners: Owners) -> None:
    """Take all that is the peer's away."""
    owners[HOME].execute("SET client_min_messages = warning")
    for schema in (SCHEMA, STEPS_SCHEMA, SYSTEM_SCHEMA):
        owners[HOME].execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def create(owners: Owners) -> None:
    """Make the tables anew, and open the shop in them."""
    drop(owners)
    home = owners[HOME]
    home.execute(f"CREATE SCHEMA {SCHEMA}")
    home.execute(f"SET search_path = {SCHEMA}")
    for statement in statements():
        home.execute(statement)
    home.execute("RESET search_path")
    listed = prices()
    home.execute(FILL_STOCK, [list(listed), STOCK])
    home.execute(FILL_PRICES, [list(listed), list(listed.values())])
    home.execute(FILL_ACCOUNTS, [CREDIT_CENTS, CUSTOMERS])


def statements() -> list[str]:
    """What makes the tables, with their constraints and indexes."""
    with connections[HOME].schema_editor(collect_sql=True, atomic=False) as editor:
        for model in MODELS:
            editor.create_model(model)
    return editor.collected_sql


def check_outcome(owners: Owners, sagas: int) -> None:
    """Raises WrongOutcome unless each saga has confirmed its order and told its customer."""
    found = owners[HOME].execute(OUTCOME).fetchone()
    if found != (sagas, sagas, sagas):
        raise WrongOutcome(f"the peer: {found} confirmed, told and succeeded, of {sagas}")


def spec_for(folder: Path, *, threads: int, sagas: int, number: int) -> Path:
    """Write what a process of the peer is told; where it lies."""
    file = folder / f"peer-{number}.json"
    spec = Spec(owner_url(HOME), threads, sagas, number)
    file.write_bytes(msgspec.json.encode(spec))
    return file
