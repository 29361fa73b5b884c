"""Spans of OpenTelemetry for the way of a message; see `tracing`, which says what each is for.

Names and attributes are those of OpenTelemetry's conventions for messaging, and ours begin with
`saga`. None is personal: ids, names of steps and types, decisions. A message whose trace is not
sampled has no spans, so it costs next to nothing.
"""

import re
import time
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
from apps.contracts.reading import read
from apps.messaging import tracing
from apps.messaging.envelope import Envelope
from apps.messaging.kafka import topic_name
from apps.messaging.record import Record
from apps.messaging.request import Request

SAGA_ID = "saga_id"  # as in the baggage
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
LENGTH = 55  # of each traceparent
SAMPLED = frozenset("13579bdf")
Facts = dict[str, str | int]
ROOT = trace.INVALID_SPAN_CONTEXT  # where a trace begins


# --- traceparents


def parse(traceparent: str) -> SpanContext:
    """What a message carries. Not valid where it is none."""
    if not (found := TRACEPARENT.fullmatch(traceparent)):
        return ROOT
    trace_id, span_id, flags = (int(each, 16) for each in found.groups())
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


def is_sampled(traceparent: str) -> bool:
    """What the last digit says; cheaper than to read all of it."""
    return traceparent[-1:] in SAMPLED


def traceparent_of(context: SpanContext) -> str:
    """As a message carries it."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def below(parent: SpanContext) -> Context:
    """Where a span starts as the child of another; at the root of a trace, if that is not valid."""
    if not parent.is_valid:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())


def link_to(span: SpanContext, saga_id: UUID) -> Link:
    """From a span that is about several sagas to one of theirs."""
    return Link(span, {SAGA_ID: str(saga_id)})


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

    def about(self, saga_id: UUID) -> None:
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
        if len(envelope.traceparent) == LENGTH and not is_sampled(envelope.traceparent):
            return envelope
        parent = parse(envelope.traceparent)
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
        self.thread.wake_up = woken = WakeUp(self, context)
        try:
            yield
        finally:
            self.thread.wake_up = None
            end([woken.span] if woken.span else [])

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
        woken = self.thread.wake_up
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
    return read(headers, _Kept).traceparent


class WakeUp:
    """The span of one wake-up: calls for several sagas, in a trace of its own that is linked with
    theirs. It starts with the first call that is traced, so a wake-up in vain is not told."""

    def __init__(self, tracer: OpenTelemetryTracer, context: str) -> None:
        self.tracer, self.context = tracer, context
        self.span: Span | None = None

    def join(self, of: SpanContext, saga_id: UUID) -> Link:
        """A call is made; the link back for it."""
        call = link_to(of, saga_id)
        if self.span is None:
            facts: Facts = {"saga.context": self.context}
            name = f"work {self.context}"
            self.span = self.tracer.start(name, ROOT, SpanKind.CONSUMER, facts, [call])
        else:
            self.span.add_link(call.context, call.attributes)
        return Link(self.span.get_span_context())


class _Thread(local):
    """What a worker's thread has in hand."""

    wake_up: WakeUp | None = None


class BatchSpans(tracing.BatchSpans):
    """A span for each message that is handled, from when it is read to the commit: messages are
    written together, so they take equally long. Several are linked with a span of the batch, which
    has a trace of its own."""

    def __init__(self, tracer: OpenTelemetryTracer, context: str, messages: int) -> None:
        self.tracer, self.context, self.messages = tracer, context, messages
        self.began = time.time_ns()
        self.handled: dict[Record, Span] = {}
        self.links: list[Link] = []  # of the batch, with the saga of each

    def take(self, record: Record, envelope: Envelope) -> Envelope:
        if not is_sampled(envelope.traceparent):
            return envelope
        parent = parse(envelope.traceparent)
        if not parent.is_valid:
            return envelope
        facts = of_message(envelope, "handle", "process") | of_place(record)
        facts["saga.context"] = self.context
        span = self.tracer.start(f"handle {envelope.type}", parent, SpanKind.CONSUMER, facts)
        self.handled[record] = span
        self.links.append(link_to(span.get_span_context(), envelope.request.saga_id))
        return replace(envelope, traceparent=traceparent_of(span.get_span_context()))

    def decided(self, decisions: Iterable[tuple[Record, str]]) -> None:
        for record, decision in decisions:
            if span := self.handled.get(record):
                span.set_attribute("saga.decision", str(decision))

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            if len(self.handled) > 1:
                self._tell_batch()
            end(self.handled.values())
        elif span := self._own(error):
            mark_failed(span, error.__cause__ or error)
            span.end()

    def _own(self, error: BaseException) -> Span | None:
        """Of the message whose own error it is. Of a batch that failed as a whole nothing is told,
        for what is in it is handled again."""
        if self.messages == 1:
            return next(iter(self.handled.values()), None)
        return self.handled.get(getattr(error, "record", None))  # type: ignore[arg-type]

    def _tell_batch(self) -> None:
        facts: Facts = {
            "saga.context": self.context,
            "messaging.batch.message_count": len(self.handled),
        }
        start = partial(self.tracer.otel.start_span, start_time=self.began)
        batch = start(f"batch {self.context}", below(ROOT), SpanKind.CONSUMER, facts, self.links)
        for each in self.handled.values():
            each.add_link(batch.get_span_context())
        batch.end()


def end(spans: Iterable[Span]) -> None:
    """They are done."""
    for each in spans:
        each.end()
