"""A shelf with ten pieces of tea."""

from collections.abc import Iterator

import psycopg
import pytest
from confluent_kafka import Producer
from django.conf import settings

from apps.messaging import outbox
from apps.messaging.consumer import ContextConsumer
from apps.messaging.kafka import PRODUCER
from apps.messaging.relay import Relay
from apps.messaging.wiring import wiring
from tests.kafka import empty
from tests.messaging.kit import Shelf
from tests.messaging.turning import turn_until


@pytest.fixture
def shelf(databases: dict[str, psycopg.Connection]) -> Shelf:
    shelf = Shelf(databases["inventory"])
    shelf.stock("tea", 10)
    return shelf


@pytest.fixture
def consumer(shelf: Shelf, topics: None) -> Iterator[ContextConsumer]:
    """A consumer for which earlier tests have left nothing: it would act on their events."""
    empty(*wiring("inventory").topics)
    opened = ContextConsumer("inventory")
    opened.open()
    turn_until(opened, lambda: bool(opened.consumer.assignment()))
    turn_until(opened, lambda: opened.turn() == 0)
    yield opened
    opened.close()


@pytest.fixture
def quiet_dispatch(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's own relay sends nothing; relays made by `new_relay` do."""

    class Deaf(Relay):
        def dispatch(self, letters: object) -> None: ...

    deaf = Deaf("inventory", Producer({**settings.KAFKA, **PRODUCER}))
    monkeypatch.setattr(outbox, "relay", lambda alias: deaf)
