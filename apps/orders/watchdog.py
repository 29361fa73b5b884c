"""Orders' own watchdog: a start that got lost is told again, and in the end to a person.

The initiator owns the start: until an order, or the taking back of one, shows a sign of progress,
nobody else may know of it.
"""

from collections.abc import Sequence
from functools import partial

import structlog
from django.db import transaction

from apps.messaging.context import context
from apps.messaging.database import Row
from apps.messaging.failpoints import reach
from apps.messaging.leases import HeldLease
from apps.messaging.metrics import TURNED
from apps.messaging.outbox import publish
from apps.orders.starts import GOODS_BACK, MOST_TELLINGS, RETURNS, STARTS, start_of

log = structlog.get_logger()

PATIENCE_SECONDS = 60  # until a start is told again; each time twice as long
MOST_ORDERS = 100  # of each kind in one turn
LEASE_SECONDS = 15

# Placed orders of which nothing was heard for so long, with their start as it was told, locked. The
# customer's wish to cancel, and what is answered to it, is no progress: the start is still missing.
LATE_STARTS = f"""
{STARTS}
WHERE placed.status = 'placed' AND placed.start_told <= %b
  AND placed.start_told_at < now() - make_interval(secs => %b * 2 ^ (placed.start_told - 1))
  AND NOT EXISTS (SELECT FROM orders_orderevent AS heard
                  WHERE heard.order_id = placed.id AND heard.step NOT IN (log.step, 'cancel_order'))
ORDER BY placed.start_told_at LIMIT %b FOR UPDATE OF placed SKIP LOCKED
"""

# Remember that these starts were told once more.
TOLD_AGAIN = """
UPDATE orders_order SET start_told = start_told + 1, start_told_at = now()
WHERE saga_id = ANY(%b::uuid[])
"""

# The same of wishes whose orders are being taken back. The timeline is the order's: progress is
# what was heard of the steps of this saga.
LATE_RETURNS = f"""
{RETURNS}
WHERE wish.status = 'returning' AND wish.start_told <= %b
  AND wish.start_told_at < now() - make_interval(secs => %b * 2 ^ (wish.start_told - 1))
  AND NOT EXISTS (SELECT FROM orders_orderevent AS heard
                  WHERE heard.order_id = wish.order_id AND heard.step <> log.step
                    AND heard.step = ANY(string_to_array(split_part(wish.plan, '/', 4), ',')))
ORDER BY wish.start_told_at LIMIT %b FOR UPDATE OF wish SKIP LOCKED
"""

RETURNS_TOLD_AGAIN = """
UPDATE orders_cancellation SET start_told = start_told + 1, start_told_at = now()
WHERE saga_id = ANY(%b::uuid[])
"""

# The same of returns: once their goods are awaited, somebody has taken them on.
LATE_GOODS = f"""
{GOODS_BACK}
WHERE parcel.status = 'announced' AND parcel.awaited_until IS NULL AND parcel.start_told <= %b
  AND parcel.start_told_at < now() - make_interval(secs => %b * 2 ^ (parcel.start_told - 1))
  AND NOT EXISTS (SELECT FROM orders_orderevent AS heard
                  WHERE heard.order_id = parcel.order_id AND heard.about = parcel.id
                    AND heard.step <> log.step)
ORDER BY parcel.start_told_at LIMIT %b FOR UPDATE OF parcel SKIP LOCKED
"""

GOODS_TOLD_AGAIN = """
UPDATE orders_return SET start_told = start_told + 1, start_told_at = now()
WHERE saga_id = ANY(%b::uuid[])
"""

# What is late, and what then remembers that it was told again.
WATCHED = {
    LATE_STARTS: TOLD_AGAIN,
    LATE_RETURNS: RETURNS_TOLD_AGAIN,
    LATE_GOODS: GOODS_TOLD_AGAIN,
}


class Watchdog:
    """One process's watch over the starts; of several, the one with the lease works."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.database = context("orders").database
        self.lease = HeldLease("orders", "watchdog", LEASE_SECONDS)
        self.patience = patience_seconds

    def turn(self) -> int:
        """Look once; how many starts were told again, or to a person."""
        if not self.lease.take():
            return 0
        TURNED.labels("orders").set_to_current_time()
        return sum(self._look(late, remember) for late, remember in WATCHED.items())

    def _look(self, late: str, remember: str) -> int:
        with self.database.transaction():
            rows = self.database.fetch(late, (MOST_TELLINGS, float(self.patience), MOST_ORDERS))
            if rows:
                log.warning("starts_without_progress", orders=len(rows))
                self.database.execute(remember, [[row[1] for row in rows]])
                self._tell_again(rows)
        return len(rows)

    def _tell_again(self, rows: Sequence[Row]) -> None:
        starts = [start_of(row) for row in rows]
        requests = [each.request for each in starts]
        after = partial(reach, "starts.after_commit", requests)
        transaction.on_commit(after, using=self.database.alias)
        publish(self.database, starts)
        reach("starts.before_commit", requests)

    def close(self) -> None:
        """Let another one watch."""
        self.lease.release()
