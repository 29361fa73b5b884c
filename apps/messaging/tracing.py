"""Tracing: where the way of a message touches it. Off, which it is by default, it costs a glance.

Every message carries a W3C traceparent. Off, that of the request is copied onward. On, handling a
message, making its outside call and publishing each are a span, and a message carries that of its
publishing, from the outbox row on: so a trace survives the relay, a sweep and a crash.

`spans.OpenTelemetryTracer` is what is installed where it is on; the composition root does that, and
nothing here imports OpenTelemetry.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self
from uuid import UUID

from apps.messaging.envelope import Envelope
from apps.messaging.record import Record
from apps.messaging.request import Request

Headers = dict[str, str]


class BatchSpans:
    """The spans of one batch of messages; a block that ends them when it has committed.

    Where the block raises, only the spans of the message whose own error it is are told.
    """

    def take(self, record: Record, envelope: Envelope) -> Envelope:
        """A message is being handled; the same message, as what led to all that follows from it."""
        return envelope

    def decided(self, decisions: Iterable[tuple[Record, str]]) -> None:
        """What the barrier decided about some messages."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """The end."""


class Tracer:
    """What there is to tell of a message's way. This one tells nothing."""

    nothing = BatchSpans()

    def current(self) -> str:
        """The traceparent of what this thread is doing; empty where it is not traced."""
        return ""

    def new_traceparent(self) -> str:
        """Under what a message is published that no other led to: a new trace, sampled (W3C Trace
        Context, section 3.2). Where tracing is on, what this thread is doing; or nothing, and then
        the message's own span begins a trace."""
        return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"

    def about(self, saga_id: UUID) -> None:
        """What this thread is doing begins a saga, or is done to one; of several the last is told.
        A span that is ours alone, of a message or a call, knows its saga without this."""

    def batch(self, context: str, messages: int) -> BatchSpans:
        """So many messages are handled by one transaction."""
        return self.nothing

    def publish(
        self, envelopes: Sequence[Envelope]
    ) -> tuple[Sequence[Envelope], Callable[[], None] | None]:
        """The messages as they are to be stored and sent; what to call when they are sent."""
        return envelopes, None

    def resend(self, headers: Iterable[Headers]) -> None:
        """Messages are sent again, of which these are the headers."""

    @contextmanager
    def wake_up(self, context: str) -> Iterator[None]:
        """A worker was woken for a context; what it does is not in the trace of one saga."""
        yield

    @contextmanager
    def call(self, context: str, request: Request, operation: str, **facts: Any) -> Iterator[None]:
        """An outside call is made, and its outcome recorded. `facts`: `asked`, the headers of the
        request that it answers, as text; `attempt`."""
        yield

    def fail(self, error: Exception) -> None:
        """What this thread is doing failed, and goes on all the same."""

    def within(self, envelope: Envelope) -> Envelope:
        """A message that was kept, as what led to what this thread is doing."""
        return envelope


_tracer = Tracer()


def tracer() -> Tracer:
    """This process's tracer."""
    return _tracer


def install(given: Tracer) -> None:
    """Trace with this one from now on."""
    global _tracer  # noqa: PLW0603  one of a process
    _tracer = given
