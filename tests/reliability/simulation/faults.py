"""What goes wrong inside the processes: crashes at failpoints, databases that are away, bugs."""

from collections.abc import Callable, Iterable
from typing import Any

import psycopg

from apps.messaging.batch import Batch, Overheard
from apps.messaging.request import Request
from apps.messaging.sorting import Item
from tests.reliability.simulation.chance import Chance

MOST_TRIES = 10


class SimulatedCrash(BaseException):
    """The process is dead. Nothing catches this but who started the process."""


class Bug(Exception):
    """A handler or listener that fails for some time."""


class Faults:
    """Decides, wherever the code can fail, whether it does."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        self._tries: dict[tuple[str, str, Request], int] = {}  # that will still fail

    def reach(
        self, place: str, requests: Iterable[Request], first: Callable[[], object] | None = None
    ) -> None:
        """What stands for `failpoints.reach`: die here, or lose the database."""
        if self.chance.fault("crash", f"at {place}"):
            if first:
                first()
            raise SimulatedCrash(place)
        if place.endswith("before_commit") and self.chance.fault("database away"):
            raise psycopg.OperationalError("simulated: the database is away")
        if place.endswith("after_commit") and self.chance.fault("commit unknown"):
            raise psycopg.OperationalError("simulated: the answer to a commit is lost")

    def troubles(self, kind: str, context: str, request: Request) -> bool:
        """Whether this request fails (again); each is troubled for some tries or for none."""
        key = (kind, context, request)
        if key not in self._tries:
            troubled = self.chance.fault(kind)
            self._tries[key] = 1 + self.chance.below(MOST_TRIES) if troubled else 0
        if self.chance.healed or not self._tries[key]:
            return False
        self._tries[key] -= 1
        return True

    # --- what stands for parts of the code, with the original inside

    def checked(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A handler has answered; or it has a bug."""

        def checked(item: Item, answer: Any) -> Any:
            if self.troubles("bug", item.record.topic, item.task.request):
                raise Bug("simulated")
            return original(item, answer)

        return checked

    def hear(self, original: Callable[..., None]) -> Callable[..., None]:
        def hear(batch: Batch, each: Overheard, workspace: Any) -> None:
            if self.troubles("deaf", batch.context, each.heard.request):
                raise Bug("simulated")
            original(batch, each, workspace)

        return hear

    def write_notes(self, original: Callable[..., None]) -> Callable[..., None]:
        """A statement of the batch fails because of one message, nobody knows which."""

        def write_notes(batch: Batch) -> None:
            requests = [each.task.request for each in batch.items]
            if any(self.troubles("bad row", batch.context, each) for each in requests):
                raise psycopg.errors.DataError("simulated")
            original(batch)

        return write_notes
