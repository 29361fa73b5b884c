"""What the shop itself does with store credit: give it out and set it."""

from collections.abc import Iterable, Mapping

from apps.messaging.context import context
from apps.messaging.database import Database
from apps.payments.errors import UnusableAmount
from apps.payments.ledger import Entry, LockedAccount, lock_accounts, open_accounts, write_entries
from apps.payments.models import EntryKind, Pot


def fund_accounts(*, credits: Mapping[int, int], currency: str, reason: str) -> None:
    """Add credit, in cents by customer; opens accounts that are missing.

    Raises UnusableAmount, and then adds nothing. Repeated, it adds again.
    """
    _refuse_unusable(credits)
    database = context("payments").database
    with database.transaction():
        accounts = _lock_or_open(database, credits, currency)
        write_entries(
            database,
            _entries((accounts[each], cents, reason) for each, cents in credits.items()),
        )


def set_credit(*, available: Mapping[int, int], currency: str, reason: str) -> None:
    """Make available what is given, in cents by customer, by funding or withdrawing the difference.

    Opens accounts that are missing and leaves what is held alone. Raises UnusableAmount, and then
    changes nothing. Repeated, it changes nothing more.
    """
    _refuse_unusable(available)
    database = context("payments").database
    with database.transaction():
        accounts = _lock_or_open(database, available, currency)
        differences = (
            (accounts[each], cents - accounts[each].available_cents, reason)
            for each, cents in available.items()
        )
        write_entries(database, _entries(differences))


def _refuse_unusable(amounts: Mapping[int, int]) -> None:
    for customer_id, cents in amounts.items():
        if cents < 0:
            raise UnusableAmount(customer_id, cents)


def _lock_or_open(
    database: Database, customers: Iterable[int], currency: str
) -> dict[int, LockedAccount]:
    keys = [(customer_id, currency) for customer_id in customers]
    open_accounts(database, keys)
    locked = lock_accounts(database, keys)
    return {customer_id: account for (customer_id, _), account in locked.items()}


def _entries(changes: Iterable[tuple[LockedAccount, int, str]]) -> Iterable[Entry]:
    for account, cents, reason in changes:
        if cents > 0:
            move = (EntryKind.FUNDED, Pot.FUNDING, Pot.AVAILABLE)
        else:
            move = (EntryKind.WITHDRAWN, Pot.AVAILABLE, Pot.FUNDING)
        if cents:
            yield Entry(account.id, *move, abs(cents), reason=reason)
