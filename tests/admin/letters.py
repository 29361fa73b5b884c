"""Parked messages of sagas that really run, and who repairs them."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from django.contrib.auth.models import Permission, User
from django.test import Client

from apps.messaging.consumer import carry_out, park
from apps.messaging.record import Record
from apps.messaging.wiring import wiring
from apps.orders.models import Order
from tests.admin.world import client_of
from tests.ops.world import buy, collect, deliver

Databases = dict[str, psycopg.Connection]
RIGHTS = ("replay", "edit", "discard", "reveal")
TABLES = ("deadletter", "outboxmessage", "operatoraction")

# The command to reserve stock that is on its way, with a quantity that is a text.
SPOIL = """
UPDATE sagas_outboxmessage SET payload = convert_to(
  replace(convert_from(payload, 'UTF8'), '"quantity":2', '"quantity":"2"'), 'UTF8')
WHERE topic = 'inventory-commands'
"""


def spoilt_order(databases: Databases) -> tuple[Order, UUID]:
    """An order of two teas whose command to reserve them cannot be read; the parked command."""
    order_id = buy(tea=2)
    deliver(databases, rounds=1)
    assert databases["sagas"].execute(SPOIL).rowcount == 1
    hand("inventory", collect(databases["sagas"], "sagas"))
    return Order.objects.get(id=order_id), newest(databases)


def hand(context: str, records: Sequence[Record]) -> None:
    """Give a context what it reads, and park what it cannot handle."""
    heard = [each for each in records if each.topic in wiring(context).topics]
    park(context, carry_out(context, heard))


def newest(databases: Databases, context: str = "inventory", status: str = "parked") -> UUID:
    """The letter that was kept last."""
    found = databases[context].execute(
        f"SELECT id FROM {context}_deadletter WHERE status = %s ORDER BY id DESC LIMIT 1", [status]
    )
    [[letter_id]] = found.fetchall()
    return letter_id


def everything(databases: Databases, context: str = "inventory") -> list[Any]:
    """All that somebody could have changed who repairs messages."""
    return [
        databases[context].execute(f"SELECT * FROM {context}_{each} ORDER BY id").fetchall()
        for each in TABLES
    ]


def operator(
    name: str = "ada", rights: Sequence[str] = RIGHTS, *, confirmed: bool = True
) -> Client:
    """Somebody who may look at everything and has these rights on parked messages."""
    client = client_of(name, codenames="view_")
    codenames = [f"{each}_deadletter" for each in rights]
    wanted = Permission.objects.filter(codename__in=codenames)
    User.objects.get(username=name).user_permissions.add(*wanted)
    if confirmed:
        confirm(client)
    return client


def confirm(client: Client) -> None:
    """As the page does that asks who somebody is."""
    session = client.session
    session["confirmed_at"] = time.time()
    session.save()
