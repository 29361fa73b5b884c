"""A hundred real baskets through the API, in both modes; a consumer is killed half-way."""

import json
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from knox.models import AuthToken
from pytest_django import Settings
from rich.console import Console

from apps.messaging.calls import work
from apps.notifications.post import deliver_due
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from sagaplatform.shop.client import order_of
from sagaplatform.shop.customers import username
from sagaplatform.shop.files import DATA, ShopFiles
from sagaplatform.shop.runs import load
from tests.e2e.world import drive_share
from tests.running import Platform
from tools.mailcatcher.client import Server

BASKETS = 100


@pytest.mark.parametrize("context", ["inventory", "sagas"])
def test_a_consumer_is_killed_in_the_middle_of_a_hundred_baskets(
    platform: Platform,
    databases: dict[str, psycopg.Connection],
    context: str,
    settings: Settings,
    tmp_path: Path,
) -> None:
    files = ShopFiles(DATA / "products.csv", DATA / "baskets.csv", BASKETS)
    load(files, Console(quiet=True))
    drive_share(50)
    for number, basket in enumerate(files.read_baskets(files.read_products())):
        if number == BASKETS // 2:
            platform.kill(context)
            platform.start([context])
        customer = User.objects.get(username=username(basket.household))
        _, token = AuthToken.objects.create(user=customer)
        response = Client().post(
            "/api/v1/orders",
            json.dumps(order_of(basket)),
            "application/json",
            headers={"Authorization": f"Token {token}", "Idempotency-Key": f"key-{basket.id}"},
        )
        assert response.status_code == 202, response.content
    with Server.start(tmp_path / "mail.sqlite3") as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.smtp_port
        platform.wait_until(lambda: posted() and not platform.open_ends(BASKETS), "all to end")
    assert platform.count("orders", "SELECT count(*) FROM orders_order") == BASKETS
    by_events = platform.count("sagas", "SELECT count(*) FROM sagas_saga WHERE driver = 'events'")
    assert BASKETS // 4 < by_events < BASKETS * 3 // 4
    proof = prove(Patience(moment=timedelta(0)))
    assert {str(each.law): each.faults for each in proof.verdicts if each.faults} == {}


def posted() -> bool:
    """What a worker does for customers who have an address: sends them mails, and says so."""
    deliver_due()
    work("notifications")
    return True
