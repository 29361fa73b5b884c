"""Spans of OpenTelemetry for the way of a message; see `tracing`, which says what each is for.

Names and attributes are those of OpenTelemetry's conventions for messaging, and ours begin with
`saga`. None is personal: ids, names of steps and types, decisions. A message whose trace is not
sampled has no spans, so it costs next to nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import local
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from apps.contracts import headers as h
from apps.messaging import tracing
from apps.messaging.envelope import Envelope
from apps.messaging.kafka import topic_name
from apps.messaging.record import Record
from apps.messaging.request import Request

SAGA_ID = "saga_id"  # as in the baggage
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
Facts = dict[str, str | int]


# --- traceparents


def parse(traceparent: str) -> SpanContext:
    """What a message carries. Not valid where it is none."""
    if not (found := TRACEPARENT.fullmatch(traceparent)):
        return trace.INVALID_SPAN_CONTEXT
    trace_id, span_id, flags = (int(each, 16) for each in found.groups())
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


def traceparent_of(context: SpanContext) -> str:
    """As a message carries it."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def below(parent: SpanContext) -> Context:
    """Where a span starts as the child of another; at the root of a trace, if that is not valid."""
    if not parent.is_valid:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())


def now() -> SpanContext:
    """What this thread is doing."""
    return trace.get_current_span().get_span_context()


# --- what a span tells


def of_request(request: Request) -> Facts:
    """Whose step it is, and what is asked."""
    return {
        SAGA_ID: str(request.saga_id),
        "saga.step": request.step,
        "saga.action": request.action.value,
        "saga.generation": request.generation,
    }


def of_message(envelope: Envelope, operation: str, kind: str) -> Facts:
    """Which message it is, where it goes, and what is done with it."""
    return {
        **of_request(envelope.request),
        "saga.mode": envelope.request.mode.value,
        "saga.message": envelope.type,
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.destination.name": topic_name(envelope.topic),
        "messaging.message.id": str(envelope.message_id),
    }


def of_place(record: Record) -> Facts:
    """Where in Kafka a message lies."""
    return {
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
    }


def mark_failed(span: Span, error: BaseException) -> None:
    """Which error it was. Its text is not told: it may quote a row."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", type(error).__qualname__)


class OpenTelemetryTracer(tracing.Tracer):
    """Tells all of it to an OpenTelemetry tracer."""

    def __init__(self, otel: trace.Tracer) -> None:
        self.otel = otel
        self.thread = _Thread()

    def start(
        self,
        name: str,
        parent: SpanContext,
        kind: SpanKind,
        facts: Facts,
        links: Sequence[Link] = (),
    ) -> Span:
        """A span that somebody ends."""
        return self.otel.start_span(name, below(parent), kind, facts, links, record_exception=False)

    def current(self) -> str:
        context = now()
        return traceparent_of(context) if context.is_valid else ""

    def new_traceparent(self) -> str:
        return self.current()

    def begin(self, saga_id: UUID) -> None:
        trace.get_current_span().set_attribute(SAGA_ID, str(saga_id))

    # --- handling

    def batch(self, context: str, messages: int) -> "BatchSpans":
        return BatchSpans(self, context, messages)

    # --- publishing

    def publish(
        self, envelopes: Sequence[Envelope]
    ) -> tuple[Sequence[Envelope], Callable[[], None] | None]:
        started: list[Span] = []
        stored = [self._publish(each, started) for each in envelopes]
        return stored, partial(end, started) if started else None

    def _publish(self, envelope: Envelope, started: list[Span]) -> Envelope:
        parent = parse(envelope.traceparent)
        if parent.is_valid and not parent.trace_flags.sampled:
            return envelope
        beside = now()  # what a person does has a trace of its own
        apart = beside.is_valid and beside.trace_id != parent.trace_id
        facts = of_message(envelope, "publish", "send")
        name = f"publish {envelope.type}"
        span = self.start(name, parent, SpanKind.PRODUCER, facts, [Link(beside)] * apart)
        if span.is_recording():
            started.append(span)
        return replace(envelope, traceparent=traceparent_of(span.get_span_context()))

    def resend(self, headers: Iterable[tracing.Headers]) -> None:
        for each in headers:
            parent = parse(each.get(h.TRACEPARENT, ""))
            if parent.trace_flags.sampled:
                facts: Facts = {SAGA_ID: each.get(h.SAGA_ID, "")}
                name = f"resend {each.get(h.TYPE, '')}"
                self.start(name, parent, SpanKind.PRODUCER, facts).end()

    # --- outside calls

    @contextmanager
    def wake_up(self, context: str) -> Iterator[None]:
        together = Together(self, f"work {context}", {"saga.context": context})
        self.thread.together = together
        try:
            yield
        finally:
            self.thread.together = None
            together.end()

    @contextmanager
    def call(self, context: str, request: Request, operation: str, **facts: Any) -> Iterator[None]:
        parent = parse(read_traceparent(facts["asked"]))
        if not parent.trace_flags.sampled:
            yield
            return
        told = {
            **of_request(request),
            "saga.context": context,
            "saga.operation": operation,
            "saga.attempt": facts["attempt"],
        }
        woken = self.thread.together
        links = [woken.join(parent, request.saga_id)] if woken else []
        span = self.start(f"call {operation}", parent, SpanKind.CLIENT, told, links)
        # The block's own errors are never swallowed here, nor is their text told.
        with trace.use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            try:
                yield
            except BaseException as error:
                mark_failed(span, error)
                raise

    def fail(self, error: Exception) -> None:
        mark_failed(trace.get_current_span(), error)

    def within(self, envelope: Envelope) -> Envelope:
        context = now()
        return replace(envelope, traceparent=self.current()) if context.is_valid else envelope


class _Kept(msgspec.Struct):
    traceparent: str = ""


def read_traceparent(headers: str) -> str:
    """That of a request that was kept as text."""
    return msgspec.json.decode(headers, type=_Kept).traceparent


class Together:
    """One span for work on several sagas, in a trace of its own that is linked with theirs.

    It is sampled where one of them is, so it starts with the first that is.
    """

    def __init__(self, tracer: OpenTelemetryTracer, name: str, facts: Facts) -> None:
        self.tracer, self.name, self.facts = tracer, name, facts
        self.span: Span | None = None

    def join(self, of: SpanContext, saga_id: UUID) -> Link:
        """Work on one of them, in its trace; the link back for that."""
        whose = {SAGA_ID: str(saga_id)}
        if self.span is None:
            root, links = trace.INVALID_SPAN_CONTEXT, [Link(of, whose)]
            self.span = self.tracer.start(self.name, root, SpanKind.CONSUMER, self.facts, links)
        else:
            self.span.add_link(of, whose)
        return Link(self.span.get_span_context())

    def end(self, error: BaseException | None = None) -> None:
        """It is done, or failed."""
        if self.span is None:
            return
        if error:
            mark_failed(self.span, error)
        self.span.end()


class _Thread(local):
    """What a worker's thread has in hand."""

    together: Together | None = None


class BatchSpans(tracing.BatchSpans):
    """A span for each message that is handled, from when it is read to the commit, and one for the
    batch. Messages are written together, so they take equally long."""

    def __init__(self, tracer: OpenTelemetryTracer, context: str, messages: int) -> None:
        self.tracer, self.context = tracer, context
        facts: Facts = {"saga.context": context, "messaging.batch.message_count": messages}
        self.together = Together(tracer, f"batch {context}", facts)
        self.handled: dict[Record, Span] = {}
        self.messages = messages

    def take(self, record: Record, envelope: Envelope) -> Envelope:
        parent = parse(envelope.traceparent)
        if not parent.trace_flags.sampled:
            return envelope
        facts = of_message(envelope, "handle", "process") | of_place(record)
        facts["saga.context"] = self.context
        links = [self.together.join(parent, envelope.request.saga_id)]
        name = f"handle {envelope.type}"
        span = self.tracer.start(name, parent, SpanKind.CONSUMER, facts, links)
        self.handled[record] = span
        return replace(envelope, traceparent=traceparent_of(span.get_span_context()))

    def decided(self, decisions: Iterable[tuple[Record, str]]) -> None:
        for record, decision in decisions:
            if span := self.handled.get(record):
                span.set_attribute("saga.decision", str(decision))

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            end(self.handled.values())
            self.together.end()
        elif record := self._own(error):
            cause = error.__cause__ or error
            if span := self.handled.get(record):
                mark_failed(span, cause)
                span.end()
                self.together.end(cause)

    def _own(self, error: BaseException) -> Record | None:
        """The message whose own error it is; of a batch that failed as a whole nothing is told, for
        what is in it is handled again."""
        if self.messages == 1:
            return next(iter(self.handled), None)
        return getattr(error, "record", None)


def end(spans: Iterable[Span]) -> None:
    """They are done."""
    for each in spans:
        each.end()
