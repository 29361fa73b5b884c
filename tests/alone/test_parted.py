"""Inventory as a deployment of its own, with no other database's address; customers buy as ever."""

import json
import os
from typing import Any

import psycopg
import pytest

from sagaplatform.env import ALIASES
from tests.alone.deployments import environ_of
from tests.alone.parted import Parted, buy_and_look, get
from tests.e2e.world import open_shop
from tests.scraping import samples

Databases = dict[str, psycopg.Connection]
OTHERS = [each for each in ALIASES if each != "inventory"]


@pytest.fixture
def parted(running: Parted, databases: Databases) -> Parted:
    """Both deployments, and a shop that is open."""
    open_shop()
    return running


@pytest.fixture
def alone(parted: Parted) -> str:
    """The address of inventory's web process."""
    return parted.served("inventory")


@pytest.fixture
def rest(parted: Parted) -> str:
    """The address of the others' web process."""
    return parted.served("orders")


def test_no_process_of_inventory_has_another_databases_address(parted: Parted, alone: str) -> None:
    found = [environ_of(pid) for pid in parted.deployments["inventory"].pids()]

    assert len(found) == 3  # the consumer, the web process and its worker
    for environ in found:
        assert {each for each in environ if each.startswith("DATABASE_")} == {
            "DATABASE_URL_INVENTORY"
        }
        for alias in OTHERS:
            assert os.environ[f"DATABASE_URL_{alias.upper()}"] not in environ.values()
            assert os.environ[f"DATABASE_OWNER_URL_{alias.upper()}"] not in environ.values()


def test_no_process_of_the_others_has_inventorys_address(parted: Parted, rest: str) -> None:
    for environ in map(environ_of, parted.deployments["orders"].pids()):
        assert "DATABASE_URL_INVENTORY" not in environ
        assert os.environ["DATABASE_URL_INVENTORY"] not in environ.values()


def test_baskets_are_bought_across_both(parted: Parted, databases: Databases) -> None:
    buy_and_look(parted, databases)


def told(address: str) -> tuple[int, dict[str, Any]]:
    """How ready a web process is."""
    answer = get(f"{address}/health/ready")
    return answer.status_code, answer.json()["checks"]


def test_each_tells_of_its_own_servers_only(alone: str, rest: str) -> None:
    assert told(alone) == (200, {"inventory": "ok", "kafka": "ok"})
    assert told(rest) == (200, dict.fromkeys((*OTHERS, "kafka"), "ok"))


def test_inventory_alone_has_metrics_of_its_own_and_neither_api_nor_admin(alone: str) -> None:
    found = samples(get(f"{alone}/metrics").text)

    assert {dict(labels)["service"] for name, labels in found if name == "outbox_messages"} == {
        "inventory"
    }
    for path in ("/", "/admin/", "/api/v1/orders"):
        assert get(f"{alone}{path}").status_code == 404


def test_the_others_have_the_api_and_an_admin(rest: str) -> None:
    assert get(f"{rest}/admin/").headers["Location"].startswith("/admin/login/")
    assert json.loads(get(f"{rest}/api/v1/orders").text)["status"] == 401
