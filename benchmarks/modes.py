"""Who drives the sagas that are measured: the setting that operators change, at either end."""

from apps.contracts.plan import Mode, Plan
from apps.messaging.audit import Actor
from apps.orders.modes import set_share, share_of
from apps.processes.place_order import PLACE_ORDER

PERCENT = {Mode.CHOREOGRAPHED: 100, Mode.ORCHESTRATED: 0}  # of new sagas that events drive
SOMEBODY = Actor(None, "benchmark")


def drive_by(mode: Mode) -> None:
    """All sagas that start from now on are driven so."""
    _, version = share_of(PLACE_ORDER.name)
    set_share(
        process=PLACE_ORDER.name,
        percent=PERCENT[mode],
        version=version,
        actor=SOMEBODY,
        reason="benchmark",
    )


def is_driven_by(mode: Mode, plan: str) -> bool:
    """Whether a message of this plan belongs to a saga that is driven so."""
    return Plan.from_header(plan).mode is mode
