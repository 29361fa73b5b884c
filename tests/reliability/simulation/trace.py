"""What happened, line by line, in words that are the same for the same seed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from apps.contracts import headers as h
from apps.messaging.request import Request
from tests.reliability.simulation.clock import Clock

Headers = Mapping[str, Any]


class Trace:
    """The story of one run. Sagas are called by the order in which they were heard of."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lines: list[str] = []
        self.logged: Counter[str] = Counter()
        self._names: dict[str, str] = {}

    def tell(self, text: str) -> None:
        self.lines.append(f"{self.clock.monotonic():12.3f}  {text}")

    def saga(self, saga_id: UUID | str | None) -> str:
        """A saga's name in the story."""
        return self._names.setdefault(str(saga_id), f"saga {len(self._names) + 1}")

    def request(self, request: Request) -> str:
        return f"{self.saga(request.saga_id)} {request.step}/{request.action}/{request.generation}"

    def message(self, headers: Headers) -> str:
        told = {name: _text(value) for name, value in headers.items()}
        asked = "/".join(told.get(name, "") for name in (h.STEP_ID, h.ACTION, h.GENERATION))
        return f"{told.get(h.TYPE)} ({self.saga(told.get(h.SAGA_ID))} {asked})"

    def messages(self, many: Iterable[Headers]) -> str:
        return ", ".join(map(self.message, many))


class Log:
    """What stands for a module's logger: what the code has to say becomes part of the story."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def _tell(self, event: str, **facts: Any) -> None:
        told = " ".join(
            str(facts[name]) for name in ("context", "step", "error_type", "error") if name in facts
        )
        self.trace.tell(f"    log: {event} {told}")
        self.trace.logged[event] += 1

    debug = info = warning = error = _tell

    def exception(self, event: str, **facts: Any) -> None:
        """What the code survives as a bug of somebody's is a bug here: it is raised again."""
        self._tell(event, **facts)
        raise  # noqa: PLE0704  called where an exception is handled


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
