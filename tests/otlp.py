"""A receiver of traces: OTLP over HTTP, as a collector speaks it."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent
from opentelemetry.proto.trace.v1.trace_pb2 import Status

PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Span:
    """One span as it came. Ids are hexadecimal; no parent is the empty text."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    facts: dict[str, Any]
    links: tuple[tuple[str, str], ...]  # trace and span
    linked: tuple[dict[str, Any], ...]  # what each link tells
    failed: bool
    events: int


@dataclass
class Receiver:
    """Keeps what it is sent."""

    address: str = ""
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)  # else requests hang

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """One request."""
        self.open.wait(PATIENCE_SECONDS)
        assert path == "/v1/traces", path
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        self.headers.append(headers)
        self.bodies.append(body)
        self.spans += [
            span_of(value_of(resource.resource.attributes)["service.name"], sent)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for sent in scope.spans
        ]

    def of(self, trace_id: str) -> list[Span]:
        """The spans of a trace that have come so far."""
        return [each for each in self.spans if each.trace_id == trace_id]

    def named(self, name: str) -> list[Span]:
        """Those of that name."""
        return [each for each in self.spans if each.name == name]

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Raises AssertionError with what has come where it never holds."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < until, tree(self.spans)
            time.sleep(0.05)


def span_of(service: str, sent: Sent) -> Span:
    return Span(
        service=service,
        name=sent.name,
        kind=Sent.SpanKind.Name(sent.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=sent.trace_id.hex(),
        span_id=sent.span_id.hex(),
        parent_id=sent.parent_span_id.hex(),
        facts=value_of(sent.attributes),
        links=tuple((each.trace_id.hex(), each.span_id.hex()) for each in sent.links),
        linked=tuple(value_of(each.attributes) for each in sent.links),
        failed=sent.status.code == Status.STATUS_CODE_ERROR,
        events=len(sent.events),
    )


def value_of(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def tree(spans: list[Span], parent_id: str = "", depth: int = 0) -> str:
    """What hangs on a span, to be read; of the root where none is named."""
    ids = {each.span_id for each in spans}
    told = ""
    for each in sorted(spans, key=lambda each: (each.service, each.name)):
        if each.parent_id == parent_id or (not depth and each.parent_id not in ids):
            told += f"{'  ' * depth}{each.service}: {each.name}\n"
            told += tree(spans, each.span_id, depth + 1)
    return told


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver on this machine while the block runs."""
    receiver = Receiver()
    receiver.open.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.take(self.path, headers, body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Nothing to tell."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    receiver.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.open.set()
        server.shutdown()
        server.server_close()
