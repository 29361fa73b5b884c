"""Named places at which a test can have a process die, as a crash would.

Nothing happens there unless the environment variable FAILPOINT names one when `arm` is called:
`place`, or `place@step`, or `place@step@action`. The process then kills itself with SIGKILL, once:
a file named by FAILPOINT_SPENT tells the next process that it has happened.
"""

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from apps.messaging.request import Request

FAILPOINTS = {
    "start.after_commit": "a saga's start is committed, nothing of it is sent",
    "starts.before_commit": "starts that got lost are found, telling them again is not committed",
    "starts.after_commit": "starts that got lost are to be told again, nothing of it is sent",
    "batch.before_commit": "all of a batch is written and not committed",
    "batch.after_commit": "a batch is committed, nothing of it is sent",
    "relay.produced": "messages are handed to Kafka, their rows are still in the outbox",
    "consumer.before_offsets": "a batch is committed and sent, its offsets are not",
    "parking.before_commit": "a message that failed is parked and not committed",
    "parking.after_commit": "a parked message is committed, its copy is not sent",
    "letter.before_commit": "a person's move on a parked message is written and not committed",
    "letter.after_commit": "a person's move on a parked message is committed, nothing is sent",
    "intent.claimed": "a worker has claimed an outside call and not made it",
    "intent.called": "the outside world has carried a call out, its answer is lost",
    "intent.answered": "the answer is here and nothing of it is written",
    "intent.before_commit": "the outcome of a call is written and not committed",
    "intent.recorded": "the outcome of a call is committed, nothing of it is sent",
    "watchdog.before_commit": "what is overdue is decided and not committed",
    "watchdog.after_commit": "what is overdue is committed, nothing of it is sent",
    "operation.before_commit": "a person's move is decided and not committed",
    "operation.after_commit": "a person's move is committed, nothing of it is sent",
}


class Armed(NamedTuple):
    """Where to die, once."""

    place: str
    step: str
    action: str
    spent: Path


_armed: Armed | None = None


def arm() -> None:
    """Read the environment. Raises ValueError for a place that does not exist."""
    global _armed  # noqa: PLW0603  a process dies at one place
    place, _, rest = os.environ.get("FAILPOINT", "").partition("@")
    if not place:
        return
    if place not in FAILPOINTS:
        raise ValueError(f"There is no failpoint {place!r}; there are: {', '.join(FAILPOINTS)}.")
    step, _, action = rest.partition("@")
    _armed = Armed(place, step, action, Path(os.environ["FAILPOINT_SPENT"]))


def reach(
    place: str, requests: Iterable[Request], first: Callable[[], object] | None = None
) -> None:
    """Die here, if this is the armed place and one of the requests is meant; `first` is done
    before, so that what the place promises is true."""
    if _armed and _armed.place == place and any(map(_meant, requests)):
        if first:
            first()
        _die(_armed)


def _meant(request: Request) -> bool:
    assert _armed
    return _armed.step in ("", request.step) and _armed.action in ("", request.action)


def _die(armed: Armed) -> None:
    try:
        armed.spent.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
