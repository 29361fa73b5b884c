"""What Kafka has of a saga, on its page: with places, masked, and shown by right and reason."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka import Message
from confluent_kafka.admin import NewPartitions, NewTopic
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from uuid_utils.compat import uuid7

from apps.contracts.inventory import ReserveStock, StockReserved
from apps.contracts.values import Line
from apps.messaging.admin import revealing
from apps.messaging.envelope import Envelope
from apps.messaging.kafka import admin_client, new_producer, topic_name
from apps.messaging.offsets import committed_by
from apps.ops import saga_messages
from apps.ops.saga_messages import messages_of, partition_of, topics_of
from apps.sagas.models import OperatorAction, Saga
from tests.admin.world import client_of
from tests.messaging.kit import envelope
from tests.sagas.listening import created, hear

Databases = dict[str, psycopg.Connection]
HTMX = {"HTTP_HX_REQUEST": "true"}
TEA = (Line(product_id="tea", quantity=2),)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.usefixtures("topics")


class Place(NamedTuple):
    """Where the broker has put a message."""

    topic: str
    partition: int
    offset: int


def send(*sent: Envelope) -> list[Place]:
    """As the relay sends them; where they are."""
    producer, places = new_producer(), []

    def put(error: object, message: Message) -> None:
        assert error is None
        topic = str(message.topic()).removeprefix(topic_name(""))
        places.append(Place(topic, message.partition() or 0, message.offset() or 0))

    for each in sent:
        key, headers = str(each.request.saga_id), list(each.headers().items())
        producer.produce(
            topic_name(each.topic), each.payload, key, headers=headers, on_delivery=put
        )
        producer.flush(30)
    return places


def said_of(saga_id: UUID) -> list[Envelope]:
    """A command, and what was answered."""
    command = ReserveStock(order_id=saga_id, lines=TEA)
    return [envelope(command, saga_id), envelope(StockReserved(lines=TEA), saga_id)]


@pytest.fixture
def saga(shop: Databases) -> Saga:
    saga_id = uuid7()
    hear(created(saga_id, uuid7()))
    return Saga.objects.get(saga_id=saga_id)


@pytest.fixture
def support(shop: Databases) -> Client:
    return client_of("support", codenames="view_")


@pytest.fixture
def operations(support: Client) -> Client:
    """Who may read payloads, and has confirmed lately who they are."""
    user = User.objects.get(username="support")
    user.user_permissions.add(Permission.objects.get(codename="reveal_saga"))
    confirm(support)
    return support


def confirm(client: Client) -> None:
    session = client.session
    session["confirmed_at"] = time.time()
    session.save()


def page(saga: Saga, *place: object) -> str:
    return f"/admin/sagas/saga/{saga.saga_id}/messages/{''.join(f'{each}/' for each in place)}"


# --- finding them


def test_the_partition_of_a_key_is_the_producers(topics: None) -> None:
    name = topic_name("inventory-events")
    partitions = len(admin_client().list_topics(name, timeout=60).topics[name].partitions)
    for saga_id in [uuid7() for _ in range(20)]:
        [place] = send(envelope(StockReserved(lines=TEA), saga_id))
        assert place.partition == partition_of(saga_id, partitions)


def test_keys_of_any_length_have_the_hash_that_kafkas_clients_compute() -> None:
    """As in the tests of Kafka's own clients."""
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    signed = {key: saga_messages.murmur2(key) for key in known}
    assert {key: each - 2**32 * (each >= 2**31) for key, each in signed.items()} == known


def test_only_the_sagas_own_messages_are_found_in_the_order_of_time(saga: Saga) -> None:
    command, event = said_of(saga.saga_id)
    strangers = [each for _ in range(9) for each in said_of(uuid7())]
    first, *_, last = send(command, *strangers, event)

    found = messages_of(saga.saga_id, topics_of(["inventory"]), since=saga.started_at, until=None)

    places = [Place(*_place(each)) for each in found.messages]
    assert places == [first, last]
    assert [each.record.type for each in found.messages] == ["ReserveStock", "StockReserved"]
    assert found.cut == ""


@pytest.fixture
def small(settings: Settings) -> Iterator[str]:
    """A topic of its own, of one partition."""
    settings.KAFKA_TOPIC_PREFIX = f"small-{uuid4().hex[:8]}."
    client, name = admin_client(), topic_name("inventory-events")
    client.create_topics([NewTopic(name, 1)], operation_timeout=30)[name].result(30)
    yield name
    client.delete_topics([name])[name].result(30)


def test_messages_are_found_where_the_topic_has_more_partitions_since(small: str) -> None:
    client, began = admin_client(), timezone.now()
    moving = next(each for each in iter(uuid7, None) if partition_of(each, 6) != 0)
    [before] = send(envelope(StockReserved(lines=TEA), moving))
    client.create_partitions([NewPartitions(small, 6)])[small].result(30)
    [after] = send(envelope(StockReserved(lines=TEA), moving))

    found = messages_of(moving, ["inventory-events"], since=began, until=None)

    assert before.partition != after.partition
    assert [Place(*_place(each)) for each in found.messages] == [before, after]


def _place(said: saga_messages.Said) -> tuple[str, int, int]:
    return said.record.topic, said.record.partition, said.record.offset


def test_what_was_said_long_before_is_not_read(saga: Saga) -> None:
    send(*said_of(saga.saga_id))
    later = timezone.now() + 10 * MINUTE

    found = messages_of(saga.saga_id, topics_of(["inventory"]), since=later, until=None)

    assert (found.messages, found.looked_at) == ([], 0)


def test_what_was_said_long_after_its_end_is_not_read(saga: Saga) -> None:
    send(*said_of(saga.saga_id))
    ended = saga.started_at - 10 * MINUTE

    found = messages_of(
        saga.saga_id, topics_of(["inventory"]), since=saga.started_at - 20 * MINUTE, until=ended
    )

    assert [each for each in found.messages if each.at > ended + saga_messages.LATER] == []
    assert found.messages == []


def test_reading_ends_at_a_number_of_messages_and_says_so(
    saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saga_messages, "MOST_SHOWN", 2)
    send(*said_of(saga.saga_id), *said_of(saga.saga_id))
    many = (envelope(StockReserved(lines=TEA), saga.saga_id) for _ in range(600))
    send_quickly(list(many))

    found = messages_of(saga.saga_id, topics_of(["inventory"]), since=saga.started_at, until=None)

    assert len(found.messages) == 2
    assert "messages of this saga" in found.cut


def send_quickly(sent: Sequence[Envelope]) -> None:
    producer = new_producer()
    for each in sent:
        key, headers = str(each.request.saga_id), list(each.headers().items())
        producer.produce(topic_name(each.topic), each.payload, key, headers=headers)
    producer.flush(30)


def test_no_offset_is_ever_committed(saga: Saga) -> None:
    send(*said_of(saga.saga_id))
    messages_of(saga.saga_id, topics_of(["inventory"]), since=saga.started_at, until=None)

    name = topic_name("inventory-events")
    partitions = admin_client().list_topics(name, timeout=60).topics[name].partitions
    everywhere = [(name, each) for each in partitions]
    committed = committed_by(saga_messages.GROUP, everywhere, timeout_seconds=60)
    assert {offset >= 0 for offset in committed.values()} == {False}


# --- the page


def test_each_message_is_shown_with_its_place_and_without_what_it_says(
    support: Client, saga: Saga
) -> None:
    places = send(*said_of(saga.saga_id))

    shown = support.get(page(saga), **HTMX)

    lines = shown.context["lines"]
    assert [(line.topic, line.partition, line.offset) for line in lines] == places
    assert [(line.type, line.about, line.mode) for line in lines] == [
        ("ReserveStock", "reserve stock (do)", "orchestrated"),
        ("StockReserved", "reserve stock (do)", "orchestrated"),
    ]
    text = shown.content.decode()
    assert "&lt;str&gt;" in text
    assert '"tea"' not in text.replace("&quot;", '"')
    assert "show all" not in text
    assert "<html" not in text
    assert shown["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"


def test_without_javascript_it_is_a_page_of_its_own(support: Client, saga: Saga) -> None:
    send(*said_of(saga.saga_id))

    shown = support.get(page(saga)).content.decode()

    assert "<html" in shown
    assert "StockReserved" in shown
    assert f'href="{page(saga)}"' in support.get(page(saga)[:-9] + "change/").content.decode()


def test_when_kafka_is_away_the_page_says_so(
    support: Client, saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saga_messages, "QUESTION_SECONDS", 0.5)
    nobody = {"bootstrap.servers": "127.0.0.1:1", "security.protocol": "plaintext"}
    monkeypatch.setattr("django.conf.settings.KAFKA", nobody)
    began = time.monotonic()

    shown = support.get(page(saga), **HTMX)

    assert shown.status_code == 200
    assert "Kafka cannot be reached now" in shown.content.decode()
    assert time.monotonic() - began < 5


def test_who_may_not_look_at_sagas_sees_no_messages(shop: Databases, saga: Saga) -> None:
    clerk = client_of("clerk", codenames="view_order")
    assert clerk.get(page(saga)).status_code == 403


# --- what a message says


def test_a_payload_is_shown_for_a_reason_that_is_written_down(
    operations: Client, saga: Saga
) -> None:
    _, place = send(*said_of(saga.saga_id))
    asked = operations.get(page(saga, *place))

    shown = operations.post(page(saga, *place), {"reason": "the customer asks what was reserved"})

    assert (asked.status_code, shown.status_code) == (200, 200)
    assert "tea" not in asked.content.decode()
    assert '"product_id": "tea"' in shown.context["revealed"].text
    assert shown["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    [row] = OperatorAction.objects.all()
    assert (row.operation, row.subject_kind, row.subject_id) == ("reveal", "saga", saga.saga_id)
    assert (row.saga_id, row.step, row.version) == (saga.saga_id, "reserve_stock", 1)
    assert (row.actor, row.reason) == ("support", "the customer asks what was reserved")
    where = "/".join(map(str, place))
    assert row.parameters == {"message": f"StockReserved at {where}"}


@pytest.mark.parametrize("reason", ["", " ", "...", "123"])
def test_without_a_reason_nothing_is_shown(operations: Client, saga: Saga, reason: str) -> None:
    _, place = send(*said_of(saga.saga_id))

    shown = operations.post(page(saga, *place), {"reason": reason})

    assert shown.status_code == 400
    assert "revealed" not in shown.context
    assert OperatorAction.objects.count() == 0


def test_without_the_permission_nothing_is_shown(support: Client, saga: Saga) -> None:
    confirm(support)
    _, place = send(*said_of(saga.saga_id))

    answers = [
        support.get(page(saga, *place)).status_code,
        support.post(page(saga, *place), {"reason": "I want to"}).status_code,
    ]

    assert answers == [403, 403]
    assert OperatorAction.objects.count() == 0


def test_who_has_not_confirmed_lately_is_asked_to(
    operations: Client, saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revealing, "confirm_address", lambda request: "/admin/confirm/")
    session = operations.session
    session["confirmed_at"] = time.time() - 601
    session.save()
    _, place = send(*said_of(saga.saga_id))

    asked = operations.get(page(saga, *place))
    shown = operations.post(page(saga, *place), {"reason": "the customer asks"})

    assert 'href="/admin/confirm/"' in asked.content.decode()
    assert (shown.status_code, shown["Location"]) == (302, "/admin/confirm/")
    assert OperatorAction.objects.count() == 0


def test_another_sagas_message_is_not_shown(operations: Client, saga: Saga) -> None:
    [place] = send(envelope(StockReserved(lines=TEA), uuid7()))

    shown = operations.post(page(saga, *place), {"reason": "curiosity"})

    assert shown.status_code == 409
    assert "Kafka has no message of this saga at that place" in shown.content.decode()
    assert OperatorAction.objects.count() == 0


def test_a_place_where_nothing_is_any_more_shows_nothing(operations: Client, saga: Saga) -> None:
    shown = operations.post(page(saga, "inventory-events", 0, 10**9), {"reason": "the customer"})
    assert shown.status_code == 409
    assert operations.get(page(saga, "no-such-topic", 0, 0)).status_code == 404
    assert OperatorAction.objects.count() == 0


def test_nothing_is_shown_and_nothing_written_down_when_kafka_is_away(
    operations: Client, saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saga_messages, "QUESTION_SECONDS", 0.5)
    nobody = {"bootstrap.servers": "127.0.0.1:1", "security.protocol": "plaintext"}
    monkeypatch.setattr("django.conf.settings.KAFKA", nobody)

    shown = operations.post(page(saga, "inventory-events", 0, 0), {"reason": "the customer asks"})

    assert shown.status_code == 409
    assert "Kafka cannot be reached now" in shown.content.decode()
    assert OperatorAction.objects.count() == 0
