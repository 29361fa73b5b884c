"""The platform with KAFKA_TRANSACTIONS: orders end as they do without."""

from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings

from apps.messaging import relay
from apps.messaging.transactional import TransactionalProducer
from tests.e2e.test_crashes import a_hundred_orders, assert_all_is_well
from tests.running import Platform


@pytest.fixture
def transactional(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """All consumers, and this process, in which customers order, send in transactions."""
    platform.stop()
    monkeypatch.setenv("KAFKA_TRANSACTIONS", "1")
    monkeypatch.setattr(settings, "KAFKA_TRANSACTIONS", True)
    monkeypatch.setattr(relay, "_process", None)
    yield platform.start()
    platform.stop()  # the next test starts them without
    for office in relay._process.relays.values() if relay._process else ():
        assert isinstance(office.producer, TransactionalProducer)
        office.producer.close()


def test_a_hundred_orders_end_and_a_consumer_is_killed_among_them(
    transactional: Platform, databases: dict[str, psycopg.Connection]
) -> None:
    def kill_and_restart() -> None:
        transactional.wait_until(lambda: names_in(transactional, "inventory") != [], "a name")
        transactional.kill("inventory")
        transactional.start(["inventory"])

    a_hundred_orders(kill_and_restart)
    assert_all_is_well(transactional, databases)
    # Who died has its name again; this process, which writes to orders too, has the next one.
    assert names_in(transactional, "inventory") == ["test.inventory-outbox-0"] * 2
    assert names_in(transactional, "sagas") == ["test.sagas-outbox-0"]
    assert sorted([*names_in(transactional, "orders"), *own_names()]) == [
        "test.orders-outbox-0",
        "test.orders-outbox-1",
    ]


def names_in(platform: Platform, context: str) -> list[str]:
    """Under which a consumer has sent, from its log."""
    lines = (platform.logs / f"{context}.log").read_text().splitlines()
    told = [line for line in lines if "transactions_begun" in line]
    return [line.partition("transactional_id=")[2].split()[0] for line in told]


def own_names() -> list[str]:
    assert relay._process
    producers = [each.producer for each in relay._process.relays.values()]
    clients = [each.transactions for each in producers if isinstance(each, TransactionalProducer)]
    return [each.id for each in clients if each]
