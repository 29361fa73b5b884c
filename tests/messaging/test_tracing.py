"""Spans of single messages, calls and letters, told to a real receiver of OTLP."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog
from django.db import transaction
from environs import EnvValidationError
from msgspec.structs import replace
from opentelemetry import trace

from apps.contracts.catalogue import Action
from apps.contracts.inventory import ReserveStock
from apps.messaging import tracing
from apps.messaging.audit import Actor, write_down
from apps.messaging.consumer import carry_out
from apps.messaging.database import Database
from apps.messaging.envelope import Envelope
from apps.messaging.models import SubjectKind
from apps.messaging.outbox import publish
from apps.messaging.relay import relay
from apps.messaging.request import Request
from apps.messaging.spans import OpenTelemetryTracer, parse, traceparent_of
from apps.messaging.starting import new_traceparent
from sagaplatform import env
from sagaplatform.trace_settings import PAIRS, check
from sagaplatform.tracing import (
    MOST_WAITING,
    Telling,
    endpoint,
    headers,
    new_provider,
    service_name,
)
from tests.kafka import Tap
from tests.messaging.kit import TRACE, Shelf, envelope, new_saga, record, release, reserve
from tests.otlp import Receiver, Span, receiving

ROOT = Path(__file__).parent.parent.parent
TRACE_ID, PARENT_ID = TRACE.split("-")[1:3]


class Told:
    """A process that traces, and the receiver that it tells."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.exporter = Telling()
        self.provider = new_provider(self.exporter)
        self.tracer = OpenTelemetryTracer(self.provider.get_tracer("test"))

    def spans(self) -> list[Span]:
        """Everything that was told so far."""
        self.provider.force_flush()
        return self.receiver.spans

    def by_name(self) -> dict[str, Span]:
        found = self.spans()
        assert len({each.name for each in found}) == len(found)
        return {each.name: each for each in found}


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    with receiving() as receiver:
        settings.OTLP_ENDPOINT = receiver.address
        yield receiver


@pytest.fixture
def told(receiver: Receiver) -> Iterator[Told]:
    told = Told(receiver)
    tracing.install(told.tracer)
    yield told
    told.provider.shutdown()


@pytest.fixture(autouse=True)
def _not_traced_afterwards() -> Iterator[None]:
    yield
    tracing.install(tracing.Tracer())


# --- handling


@pytest.mark.usefixtures("quiet")
def test_a_message_is_handled_below_its_publishing_and_its_answer_below_that(
    shelf: Shelf, told: Told
) -> None:
    saga = new_saga()
    assert carry_out("inventory", [reserve(saga)]) == []

    spans = told.by_name()
    handled, answered = spans["handle ReserveStock"], spans["publish StockReserved"]
    assert (handled.trace_id, handled.parent_id, handled.kind) == (TRACE_ID, PARENT_ID, "consumer")
    assert (answered.trace_id, answered.parent_id) == (TRACE_ID, handled.span_id)
    assert answered.kind == "producer"
    [(_, stored)] = shelf.answers(saga)
    assert stored["traceparent"] == f"00-{TRACE_ID}-{answered.span_id}-01"
    assert stored["baggage"] == f"saga_id={saga}"


@pytest.mark.usefixtures("quiet")
def test_messages_of_a_batch_are_linked_with_it_and_it_with_them(shelf: Shelf, told: Told) -> None:
    sagas = [new_saga() for _ in range(3)]
    assert carry_out("inventory", [reserve(each) for each in sagas]) == []

    spans = told.spans()
    [batch] = [each for each in spans if each.name == "batch inventory"]
    handled = [each for each in spans if each.name == "handle ReserveStock"]
    assert batch.parent_id == ""
    assert batch.trace_id != TRACE_ID
    assert batch.facts == {"saga.context": "inventory", "messaging.batch.message_count": 3}
    assert dict(zip(batch.links, saga_ids(batch), strict=True)) == {
        (TRACE_ID, each.span_id): each.facts["saga_id"] for each in handled
    }
    assert [each.links for each in handled] == [((batch.trace_id, batch.span_id),)] * 3
    assert {each.facts["saga_id"] for each in handled} == {str(each) for each in sagas}


def saga_ids(span: Span) -> list[str]:
    """Whose sagas a span is about that is linked with several."""
    return [each["saga_id"] for each in span.linked]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("first", "second", "decision"),
    [
        (reserve, reserve, "answered_again"),
        (release, reserve, "late"),
        (reserve, release, "undo"),
    ],
)
def test_what_the_barrier_decided_is_told(
    shelf: Shelf, told: Told, first: Any, second: Any, decision: str
) -> None:
    saga = new_saga()
    carry_out("inventory", [first(saga)])
    carry_out("inventory", [second(saga)])

    handled = [each for each in told.spans() if each.name.startswith("handle")]
    assert handled[-1].facts["saga.decision"] == decision


@pytest.mark.usefixtures("quiet")
def test_a_repetition_in_the_same_batch_is_told_as_one(shelf: Shelf, told: Told) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga), reserve(saga)])

    handled = [each for each in told.spans() if each.name.startswith("handle")]
    assert sorted(each.facts["saga.decision"] for each in handled) == ["duplicate", "run"]


@pytest.mark.usefixtures("quiet")
def test_of_a_batch_that_fails_only_the_message_whose_error_it_is_is_told_before_the_rest(
    shelf: Shelf, told: Told
) -> None:
    """And its kind of error, but not the text."""
    saga = new_saga()
    bad = envelope(ReserveStock(order_id=saga, lines=()), new_saga())
    [failure] = carry_out("inventory", [reserve(saga), record(bad, payload=b'{"lines": "Ada"}')])

    assert type(failure.error).__name__ == "UnreadableMessage"
    told_of = [(each.name, each.failed, each.facts.get("error.type")) for each in told.spans()]
    assert told_of == [
        ("handle ReserveStock", True, "UnreadableMessage"),
        ("publish StockReserved", False, None),
        ("handle ReserveStock", False, None),
    ]
    assert not any(each.events for each in told.spans())
    assert b"Ada" not in b"".join(told.receiver.bodies)


@pytest.mark.usefixtures("quiet")
def test_an_unsampled_message_goes_on_as_it_came(shelf: Shelf, told: Told) -> None:
    saga, unsampled = new_saga(), TRACE[:-2] + "00"
    asked = reserve(saga)
    carry_out(
        "inventory",
        [record(asked.read(), headers={**asked.headers, "traceparent": unsampled.encode()})],
    )

    [(_, stored)] = shelf.answers(saga)
    assert stored["traceparent"] == unsampled
    assert told.spans() == []


# --- publishing


def put(told: Envelope) -> None:
    database = Database("inventory")
    with database.transaction():
        publish(database, [told])


def fresh(saga: Any) -> Envelope:
    """A message that no other led to."""
    return replace(reserve(saga).read(), traceparent=new_traceparent())


@pytest.mark.usefixtures("quiet")
def test_a_message_that_no_other_led_to_begins_a_trace(shelf: Shelf, told: Told) -> None:
    put(fresh(new_saga()))

    [span] = told.spans()
    assert span.parent_id == ""
    [(headers,)] = shelf.owner.execute("SELECT headers FROM inventory_outboxmessage").fetchall()
    assert f"00-{span.trace_id}-{span.span_id}-0" in headers


@pytest.mark.usefixtures("quiet")
def test_what_is_rolled_back_was_never_published(shelf: Shelf, told: Told) -> None:
    database = Database("inventory")
    with database.transaction():
        publish(database, [fresh(new_saga())])
        transaction.set_rollback(True, using="inventory")

    assert told.spans() == []


@pytest.mark.usefixtures("quiet")
def test_a_move_of_a_person_is_in_the_trace_of_the_saga_and_linked_with_their_request(
    shelf: Shelf, told: Told
) -> None:
    with trace.use_span(told.provider.get_tracer("web").start_span("POST retry"), end_on_exit=True):
        put(reserve(new_saga()).read())

    spans = told.by_name()
    moved, asked = spans["publish ReserveStock"], spans["POST retry"]
    assert (moved.trace_id, moved.parent_id) == (TRACE_ID, PARENT_ID)
    assert moved.links == ((asked.trace_id, asked.span_id),)


@pytest.mark.usefixtures("quiet")
def test_the_request_of_a_person_who_acts_on_a_saga_tells_which(shelf: Shelf, told: Told) -> None:
    saga, database = new_saga(), Database("inventory")
    with (
        trace.use_span(told.provider.get_tracer("web").start_span("POST retry"), end_on_exit=True),
        database.transaction(),
    ):
        write_down(
            database, actor=Actor(7, "ada"), operation="retry", subject_kind=SubjectKind.SAGA,
            subject_id=saga, saga_id=saga, step="", version=1, reason="The bank is back",
            parameters={}, outcome="asked again",
        )  # fmt: skip

    assert told.by_name()["POST retry"].facts == {"saga_id": str(saga)}


@pytest.mark.parametrize(("share", "sampled"), [(0.0, False), (1.0, True)])
@pytest.mark.usefixtures("quiet")
def test_of_new_traces_the_share_is_told_that_the_setting_says(
    shelf: Shelf, receiver: Receiver, settings: Any, share: float, sampled: bool
) -> None:
    settings.TRACE_SHARE = share
    told = Told(receiver)
    tracing.install(told.tracer)
    [stored], _ = told.tracer.publish([fresh(new_saga())])
    context = parse(stored.traceparent)
    assert (context.is_valid, context.trace_flags.sampled) == (True, sampled)
    told.provider.shutdown()


def test_a_batch_is_told_where_its_messages_are_whatever_the_share(
    receiver: Receiver, settings: Any
) -> None:
    settings.TRACE_SHARE = 0.0
    told = Told(receiver)
    sagas = [reserve(new_saga()) for _ in range(2)]
    with told.tracer.batch("inventory", 2) as spans:
        for each in sagas:
            spans.take(each, each.read())
    assert sorted(each.name for each in told.spans()) == [
        "batch inventory", "handle ReserveStock", "handle ReserveStock",
    ]  # fmt: skip
    told.provider.shutdown()


def test_a_swept_message_keeps_its_trace(shelf: Shelf, told: Told, topics: None) -> None:
    saga = new_saga()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("apps.messaging.relay.Relay.dispatch", lambda self, letters: None)
        carry_out("inventory", [reserve(saga)])
    [(_, stored)] = shelf.answers(saga)
    with Tap("inventory-events") as tap:
        assert relay("inventory").sweep(overdue_seconds=0) == 1
        [message] = tap.take(saga, 1)

    sent = dict(message.headers() or ())
    assert sent["traceparent"] == stored["traceparent"].encode()
    spans = told.by_name()
    assert spans["resend StockReserved"].parent_id == spans["publish StockReserved"].span_id


def test_letters_that_are_not_well_formed_are_resent_all_the_same(told: Told) -> None:
    told.tracer.resend([{}, {"traceparent": "none"}, {"traceparent": TRACE}])

    assert [each.name for each in told.spans()] == ["resend "]


# --- outside calls


def call(told: Told, attempt: Callable[[], None], asked: str = TRACE) -> None:
    request = Request(new_saga(), "authorize_payment", Action.DO, 1, "orchestrated")  # type: ignore[arg-type]
    kept = f'{{"traceparent": "{asked}", "payload": "{{}}"}}'
    with told.tracer.call("payments", request, "authorize", asked=kept, attempt=2):
        attempt()


def test_a_call_of_unknown_outcome_has_failed_and_its_text_is_not_told(told: Told) -> None:
    call(told, lambda: told.tracer.fail(ConnectionError("Ada's card")))

    [span] = told.spans()
    assert (span.name, span.kind, span.parent_id) == ("call authorize", "client", PARENT_ID)
    assert (span.failed, span.facts["error.type"]) == (True, "ConnectionError")
    assert (span.facts["saga.attempt"], span.facts["saga.operation"]) == (2, "authorize")
    assert b"Ada" not in b"".join(told.receiver.bodies)


def test_the_calls_of_one_wake_up_are_linked_with_it(told: Told) -> None:
    with told.tracer.wake_up("payments"):
        call(told, lambda: None)
        call(told, lambda: None)
    with told.tracer.wake_up("payments"):
        """In vain."""

    spans = told.spans()
    [work] = [each for each in spans if each.name == "work payments"]
    calls = [each for each in spans if each.name == "call authorize"]
    assert [each.links for each in calls] == [((work.trace_id, work.span_id),)] * 2
    assert saga_ids(work) == [each.facts["saga_id"] for each in calls]


def test_no_third_party_hears_of_a_trace_or_a_saga(told: Told) -> None:
    """Within a call, over HTTP as gateways and webhooks are reached."""
    heard: list[str] = []

    class ThirdParty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.extend(map(str.lower, self.headers))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing to tell."""

    server = HTTPServer(("127.0.0.1", 0), ThirdParty)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    call(told, lambda: requests.get(f"http://127.0.0.1:{server.server_port}", timeout=10) and None)
    server.shutdown()
    server.server_close()

    assert "user-agent" in heard
    assert not {"traceparent", "tracestate", "baggage"} & set(heard)


# --- the receiver


def test_a_receiver_that_is_away_is_told_of_once_and_when_it_is_back(settings: Any) -> None:
    with receiving() as gone:
        port = int(gone.address.rpartition(":")[2])
    settings.OTLP_ENDPOINT = f"http://127.0.0.1:{port}"
    with structlog.testing.capture_logs() as logs:
        told = Told(Receiver())
        for _ in range(3):
            told.provider.get_tracer("test").start_span("lost").end()
            told.provider.force_flush()
        with receiving(port) as back:
            told.provider.get_tracer("test").start_span("sent").end()
            told.provider.force_flush()
        told.provider.shutdown()

    said = [each for each in logs if each["event"].startswith("traces_")]
    assert [(each["event"], each["log_level"]) for each in said] == [
        ("traces_not_sent", "warning"),
        ("traces_sent_again", "info"),
    ]
    assert [each.name for each in back.spans] == ["sent"]


def test_what_waits_for_a_receiver_that_hangs_is_bounded(receiver: Receiver) -> None:
    receiver.open.clear()
    told = Told(receiver)
    otel = told.provider.get_tracer("test")
    for _ in range(3 * MOST_WAITING):
        otel.start_span("waiting").end()
    receiver.open.set()
    in_hand = 512  # spans of one sending
    assert 0 < len(told.spans()) <= MOST_WAITING + in_hand
    told.provider.shutdown()


def test_at_its_end_a_process_does_not_wait_for_a_receiver_that_is_away(settings: Any) -> None:
    settings.OTLP_ENDPOINT = "http://127.0.0.1:9"
    told = Told(Receiver())
    asked: list[int] = []
    told.exporter.away = True
    told.exporter._sender.export = lambda spans: asked.append(len(spans))  # type: ignore[method-assign, assignment, return-value, func-returns-value]
    told.exporter.end()
    told.provider.get_tracer("test").start_span("late").end()
    told.provider.shutdown()
    assert asked == []


# --- setting it up


SCRIPT = """
import sys
import django
django.setup()
import apps.messaging.calls, apps.messaging.consumer, sagaplatform.celery, sagaplatform.wsgi
print(sorted(each for each in sys.modules if each.split(".")[0] in ("opentelemetry", "google")))
"""


def run(script: str, **environ: str) -> str:
    """What a process of its own prints."""
    given = {**os.environ, "DJANGO_SETTINGS_MODULE": "sagaplatform.settings", **environ}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=given, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def test_without_a_receiver_nothing_of_opentelemetry_is_imported() -> None:
    assert run(SCRIPT, OTLP_ENDPOINT="").strip() == "[]"


FORK = """
import os, sys
import django
django.setup()
from opentelemetry import trace
from apps.messaging.tracing import tracer
tracer().otel.start_span("before").end()
import sagaplatform.tracing
child = os.fork()
tracer().otel.start_span("parent" if child else "child").end()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_process_and_its_fork_both_tell_their_own(receiver: Receiver) -> None:
    run(FORK, OTLP_ENDPOINT=receiver.address)

    assert sorted(each.name for each in receiver.spans if each.name != "before") == [
        "child", "parent",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("OTLP_ENDPOINT", "collector.example"),
        ("OTLP_HEADERS", "a-secret"),
        ("TRACE_SHARE", "1.5"),
        ("TRACE_SHARE", "nan"),
        ("TRACE_URL", "https://jaeger.example/trace"),
        ("TRACE_URL", "javascript:alert({trace_id})"),
    ],
)
def test_a_setting_that_cannot_work_is_named_and_not_repeated(setting: str, value: str) -> None:
    given = env.read() | {setting: float(value) if setting == "TRACE_SHARE" else value}
    with pytest.raises(EnvValidationError, match=f"^{setting} cannot work: give ") as raised:
        check(given)
    assert value not in str(raised.value)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["manage.py", "run_consumer", "inventory"], "inventory"),
        (["/srv/manage.py", "run_worker"], "worker"),
        (["manage.py", "run_watchdog", "sagas"], "watchdog"),
        (["manage.py", "sagas", "retry"], "sagas-command"),
        (["/usr/bin/gunicorn", "sagaplatform.wsgi:application"], "web"),
        ([], "web"),
    ],
)
def test_a_process_is_called_by_what_it_does(words: list[str], name: str) -> None:
    assert service_name(words) == name


@pytest.mark.parametrize("address", ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"])
def test_spans_are_posted_below_the_address(address: str) -> None:
    assert endpoint(address) == "http://c:4318/v1/traces"


def test_headers_are_pairs() -> None:
    given = "a=b, x-token=c=d,authorization=Bearer%20e,other=Basic f"
    assert PAIRS.fullmatch(given)
    assert headers(given) == {
        "a": "b", "x-token": "c=d", "authorization": "Bearer e", "other": "Basic f",
    }  # fmt: skip


@pytest.mark.parametrize("flags", ["00", "01", "03"])
def test_a_traceparent_is_read_and_written(flags: str) -> None:
    given = f"{TRACE[:-2]}{flags}"
    assert traceparent_of(parse(given)) == given


@pytest.mark.parametrize("given", ["", "none", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_what_is_no_traceparent_is_no_parent(given: str) -> None:
    assert not parse(given).is_valid


def test_the_platform_without_tracing_begins_traces_that_are_sampled() -> None:
    assert tracing.Tracer().new_traceparent()[-3:] == "-01"
    assert len(tracing.Tracer().new_traceparent()) == 55
