"""Traces: sets OpenTelemetry up in a process, and sends what it tells by OTLP (HTTP, protobuf).

Imported only where OTLP_ENDPOINT is set. What is sent is what ALLOWED names and nothing else,
whoever told it: no addresses, no queries, no texts of errors. A receiver that is away costs spans,
never a message: a bounded queue, and a thread of its own that tries again.
"""

import atexit
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

import structlog
from django.conf import settings
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanContext, Status
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes, AttributeValue

from apps.messaging.spans import OpenTelemetryTracer
from apps.messaging.tracing import install

log = structlog.get_logger()

PATH = "/v1/traces"  # of OTLP over HTTP, below the address of the receiver
MOST_WAITING = 4096  # spans, some megabytes; more are dropped
TIMEOUT_SECONDS = 3.0  # of one sending with its repetitions
NOT_TRACED = "/metrics,/health/,/static/"  # what machines ask all day
BEHIND_REQUEST_ID = 1  # place of the middleware: a refused host's answer has its request id too

ALLOWED = frozenset({
    "saga_id", "saga.step", "saga.action", "saga.generation", "saga.mode", "saga.message",
    "saga.context", "saga.decision", "saga.operation", "saga.attempt",
    "messaging.system", "messaging.operation.name", "messaging.operation.type",
    "messaging.destination.name", "messaging.destination.partition.id", "messaging.kafka.offset",
    "messaging.message.id", "messaging.batch.message_count",
    "http.request.method", "http.route", "http.response.status_code", "error.type",
})  # fmt: skip


def begin() -> None:
    """Trace this process from now on."""
    exporter = Telling()
    provider = new_provider(exporter)
    atexit.register(exporter.end)  # goes before what the provider has registered: it sends the rest
    # The caller's trace is read, its baggage is not; and nobody is told ours, whoever injects.
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    instrument_web(provider)
    install(OpenTelemetryTracer(provider.get_tracer("sagaplatform")))


def new_provider(exporter: SpanExporter) -> TracerProvider:
    """What makes this process's spans, and has them sent from a thread of its own."""
    name = {"service.namespace": "sagaplatform", "service.name": service_name(sys.argv)}
    sampler = ParentBased(root=Share(settings.TRACE_SHARE))
    provider = TracerProvider(sampler=sampler, resource=Resource(name))
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=MOST_WAITING))
    return provider


def instrument_web(provider: TracerProvider) -> None:
    """A span for each web request."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")  # names that are settled
    DjangoInstrumentor().instrument(
        tracer_provider=provider,
        excluded_urls=NOT_TRACED,
        middleware_position=BEHIND_REQUEST_ID,
    )


def service_name(words: Sequence[str]) -> str:
    """What a process is called in traces, by its command line: web, inventory, worker, watchdog; of
    a command that a person runs, with that word behind it."""
    program, *rest = words or [""]
    if Path(program).name != "manage.py" or not rest:
        return "web"
    command, *given = rest
    if command == "run_consumer" and given:
        return given[0]
    daemon = command.removeprefix("run_")
    return f"{command}-command" if daemon == command else daemon


def endpoint(address: str) -> str:
    """Where spans are posted to, by the receiver's address."""
    return address.rstrip("/").removesuffix(PATH) + PATH


def headers(text: str) -> dict[str, str]:
    """The headers in name=value,name=value; as the specification has it, %20 is a blank."""
    pairs = (each.partition("=") for each in text.split(",") if each.strip())
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


class Share(Sampler):
    """Takes a share of new traces; and each that is linked with one that is told, as a batch is."""

    def __init__(self, share: float) -> None:
        self.by_chance = TraceIdRatioBased(share)

    def should_sample(
        self,
        parent_context: object,
        trace_id: int,
        name: str,
        kind: trace.SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        linked = any(each.context.trace_flags.sampled for each in links or ())
        sampler = ALWAYS_ON if linked else self.by_chance
        return sampler.should_sample(None, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        return f"Share({self.by_chance.rate})"


class Telling(SpanExporter):
    """Sends spans by OTLP, bare of what is not allowed. Tells once that the receiver is away, and
    that it is back."""

    def __init__(self) -> None:
        self.away = self.ending = False
        self._start()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._pid != os.getpid():  # a fork: two processes cannot share a connection
            self._start()
        if self.ending and self.away:
            return SpanExportResult.FAILURE
        result = self._sender.export([bare(each) for each in spans])
        self._tell(away=result is not SpanExportResult.SUCCESS)
        return result

    def end(self) -> None:
        """The process ends: nothing is tried that would only be waited for."""
        self.ending = True

    def shutdown(self) -> None:
        self._sender.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True

    def _start(self) -> None:
        self._pid = os.getpid()
        self._sender = OTLPSpanExporter(
            endpoint(settings.OTLP_ENDPOINT),
            headers=headers(settings.OTLP_HEADERS),
            timeout=TIMEOUT_SECONDS,
            compression=Compression.Gzip,
        )

    def _tell(self, *, away: bool) -> None:
        if away and not self.away:
            advice = "Is OTLP_ENDPOINT right, and its receiver up? Spans are dropped meanwhile."
            log.warning("traces_not_sent", advice=advice)
        if self.away and not away:
            log.info("traces_sent_again")
        self.away = away


# --- what may be told


def bare(span: ReadableSpan) -> ReadableSpan:
    """A span with what is allowed: no events (they quote errors), no text in its status."""
    context = span.get_span_context()
    return ReadableSpan(
        name=span.name,
        context=context and without_state(context),
        parent=span.parent and without_state(span.parent),
        resource=span.resource,
        attributes=allowed(span.attributes),
        links=[Link(without_state(each.context), allowed(each.attributes)) for each in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def allowed(attributes: Mapping[str, AttributeValue] | None) -> Mapping[str, AttributeValue]:
    """Those that may leave."""
    found = {name: value for name, value in (attributes or {}).items() if name in ALLOWED}
    return MappingProxyType(found)


def without_state(context: SpanContext) -> SpanContext:
    """Without the caller's tracestate, which may be anything."""
    if not context.trace_state:
        return context
    facts = context.trace_id, context.span_id, context.is_remote, context.trace_flags
    return SpanContext(*facts)
