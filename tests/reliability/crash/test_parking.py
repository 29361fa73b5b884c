"""A consumer dies while it parks a message: it is parked once, and the next message goes on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from confluent_kafka import Producer
from django.conf import settings

from apps.contracts.inventory import ReserveStock
from apps.contracts.values import Line
from apps.messaging.kafka import topic_name
from apps.messaging.wiring import wiring
from tests.kafka import Tap, empty
from tests.messaging.kit import Shelf, envelope, new_saga
from tests.running import ROOT, Platform

PATIENCE_SECONDS = 60


@pytest.fixture
def shelf(databases: dict[str, psycopg.Connection], topics: None) -> Shelf:
    """With ten pieces of tea. Nothing waits in the topics: who is killed here has committed no
    offset, and the next one would park the same message again."""
    empty(*wiring("inventory").topics)
    shelf = Shelf(databases["inventory"])
    shelf.stock("tea", 10)
    return shelf


def ask(saga_id: UUID, payload: bytes | None = None) -> None:
    """Ask inventory for one piece, through one partition; or for what nobody can read."""
    line = Line(product_id="tea", quantity=1)
    asked = envelope(ReserveStock(order_id=saga_id, lines=(line,)), saga_id)
    producer = Producer(settings.KAFKA)
    sent: dict[str, Any] = {"headers": list(asked.headers().items()), "key": str(saga_id)}
    topic = topic_name("inventory-commands")
    producer.produce(topic, payload or asked.payload, partition=0, **sent)
    assert producer.flush(PATIENCE_SECONDS) == 0


def run_until_dead(failpoint: str, folder: Path) -> None:
    """`manage.py run_consumer inventory`, which is killed at the failpoint."""
    spent = folder / "spent"
    environ = {**os.environ, "FAILPOINT": failpoint, "FAILPOINT_SPENT": str(spent)}
    result = subprocess.run(
        [sys.executable, "manage.py", "run_consumer", "inventory"],
        cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
        check=False,
    )  # fmt: skip
    assert (result.returncode, spent.exists()) == (-9, True), result.stderr


@pytest.mark.parametrize(
    ("failpoint", "parked"), [("parking.before_commit", 0), ("parking.after_commit", 1)]
)
def test_who_dies_while_parking_parks_once_and_goes_on(
    shelf: Shelf, tmp_path: Path, failpoint: str, parked: int
) -> None:
    poisoned, sound = new_saga(), new_saga()
    with Tap("inventory-commands_dlq") as copies:
        ask(poisoned, payload=b"{no JSON")
        ask(sound)
        run_until_dead(failpoint, tmp_path)
        assert len(shelf.letters()) == parked

        platform = Platform({"inventory": shelf.owner}, tmp_path).start(["inventory"])
        try:
            copies.take(poisoned, 1)
            platform.wait_until(lambda: sound_is_done(shelf, sound), "the sound message")
            platform.wait_until(lambda: platform.unsent("inventory") == 0, "an empty outbox")
        finally:
            platform.stop()

    assert shelf.letters() == [("parked", "reserve_stock", "do", "UnreadableMessage")]
    assert (shelf.log(poisoned), shelf.levels()) == ({}, (9, 1, 0))


def sound_is_done(shelf: Shelf, saga_id: UUID) -> bool:
    return shelf.log(saga_id) == {"reserve_stock": ("done", 1)}
