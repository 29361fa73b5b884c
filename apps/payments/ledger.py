"""Every movement of money goes through here: one entry, and the balances follow from it in SQL."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from apps.messaging.database import Database, columns
from apps.payments.models import EntryKind, Pot

AccountKey = tuple[int, str]  # customer, currency

# Lock accounts, in key order so that no two batches wait for each other in a circle.
LOCK_ACCOUNTS = """
SELECT account.customer_id, account.currency, account.id, account.available_cents
FROM payments_account AS account
JOIN unnest(%b::bigint[], %b::text[]) AS wanted (customer_id, currency)
  ON account.customer_id = wanted.customer_id AND account.currency = wanted.currency
ORDER BY account.id
FOR NO KEY UPDATE OF account
"""

# Open the accounts that customers do not have yet, in one order so that no two of us deadlock.
OPEN_ACCOUNTS = """
INSERT INTO payments_account (customer_id, currency)
SELECT * FROM unnest(%b::bigint[], %b::text[]) AS wanted (customer_id, currency)
ORDER BY customer_id, currency
ON CONFLICT (customer_id, currency) DO NOTHING
"""

# Write entries and move the balances by exactly what was written.
WRITE_ENTRIES = """
WITH entry AS (
  INSERT INTO payments_ledgerentry
    (account_id, kind, from_pot, to_pot, amount_cents, saga_id, reason)
  SELECT * FROM unnest(
    %b::bigint[], %b::text[], %b::text[], %b::text[], %b::bigint[], %b::uuid[], %b::text[])
  RETURNING account_id, from_pot, to_pot, amount_cents
), side AS (
  SELECT account_id, to_pot AS pot, amount_cents FROM entry
  UNION ALL
  SELECT account_id, from_pot, -amount_cents FROM entry
), moved AS (
  SELECT account_id,
         coalesce(sum(amount_cents) FILTER (WHERE pot = 'available'), 0) AS available,
         coalesce(sum(amount_cents) FILTER (WHERE pot = 'held'), 0) AS held
  FROM side GROUP BY account_id
)
UPDATE payments_account AS account
SET available_cents = available_cents + moved.available, held_cents = held_cents + moved.held
FROM moved WHERE account.id = moved.account_id
"""


class Entry(NamedTuple):
    """A row of the ledger to be written, in the order of WRITE_ENTRIES."""

    account_id: int
    kind: EntryKind
    from_pot: Pot
    to_pot: Pot
    amount_cents: int
    saga_id: UUID | None = None
    reason: str = ""


@dataclass(slots=True)
class LockedAccount:
    """An account while this transaction holds its lock."""

    id: int
    available_cents: int


def lock_accounts(
    database: Database, keys: Collection[AccountKey]
) -> dict[AccountKey, LockedAccount]:
    """The accounts that exist, locked until the transaction ends."""
    if not keys:
        return {}
    rows = database.fetch(LOCK_ACCOUNTS, columns(set(keys), 2))
    return {(customer, currency): LockedAccount(*rest) for customer, currency, *rest in rows}


def open_accounts(database: Database, keys: Collection[AccountKey]) -> None:
    """Open those that are missing, with nothing in them."""
    database.execute(OPEN_ACCOUNTS, columns(keys, 2))


def write_entries(database: Database, entries: Iterable[Entry]) -> None:
    """Write entries of locked accounts; a balance below zero is a database error."""
    if rows := list(entries):
        database.send(WRITE_ENTRIES, columns(rows, len(Entry._fields)))
