"""Whether anything is still on its way, for those who want to prove that all has ended well.

What waits for a later day, as for returned goods, is at rest.
"""

import time

from apps.inventory import selectors as inventory
from apps.ops.conservation.messages import outbox_size
from apps.sagas import selectors as sagas
from apps.shipping import selectors as shipping

LOOK_EVERY = 0.5  # seconds


def under_way() -> list[str]:
    """What is on its way, in words; nothing where all is at rest."""
    counts = {
        "sagas live": sagas.awake_sagas(),
        "reservations are open": len(inventory.open_reservations()),
        "parcels are not handed over": len(shipping.open_bookings()),
        "messages wait": outbox_size(),
    }
    return [f"{count:,} {words}" for words, count in counts.items() if count]


def wait_until_at_rest(limit: float) -> list[str]:
    """Wait at most so many seconds; what is on its way even then, in words."""
    until = time.monotonic() + limit
    while (left := under_way()) and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
    return left
