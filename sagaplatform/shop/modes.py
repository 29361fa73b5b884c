"""Who drives the sagas of a replay: the platform's own setting, changed as an operator would."""

import enum

from apps.messaging.audit import Actor
from apps.orders.modes import set_share, share_of
from apps.processes import CANCEL_ORDER, PLACE_ORDER, RETURN_ORDER

REPLAY = Actor(id=None, name="replay")


class DemoMode(enum.StrEnum):
    """How new orders are driven."""

    ORCHESTRATED = "orchestrated"  # the engine, by commands
    CHOREOGRAPHED = "choreographed"  # the services, by events
    MIXED = "mixed"  # half of them each


PERCENT = {DemoMode.ORCHESTRATED: 0, DemoMode.MIXED: 50, DemoMode.CHOREOGRAPHED: 100}


def drive(mode: DemoMode) -> None:
    """Let what is placed from now on be driven so, and what is taken back and returned. It stays
    until it is changed again.

    Raises ModeMoved where somebody changes it at the same moment.
    """
    for process in (PLACE_ORDER.name, CANCEL_ORDER.name, RETURN_ORDER.name):
        percent, version = share_of(process)
        if percent != PERCENT[mode]:
            set_share(
                process=process,
                percent=PERCENT[mode],
                version=version,
                actor=REPLAY,
                reason=f"replay in mode {mode}",
            )
