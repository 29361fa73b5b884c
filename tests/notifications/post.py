"""Notifications as one order's saga and the customer meet it."""

import os
import signal
import subprocess
import sys
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from apps.contracts.base import Command, Event
from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.notifications import SendCancellation, SendConfirmation, SendReturnNotice
from apps.contracts.numbers import number_of
from apps.contracts.orders import OrderCreated
from apps.contracts.values import Address, PaymentMethod, PricedLine, RefundTo
from apps.messaging.batch import Batch
from apps.messaging.calls import work
from apps.messaging.record import Record
from apps.notifications.post import deliver_due
from apps.notifications.services import set_contact
from tests.messaging.kit import envelope, record
from tools.mailcatcher.client import Json, Server

ANNA = 7
EMAIL = "anna@mail.example"
# A worker that dies when the server has answered, before it has written that down.
DIES = """
import os, signal, django
django.setup()
from apps.notifications import post
post.record = lambda *told: os.kill(os.getpid(), signal.SIGKILL)
post.deliver_due()
"""


class Way(NamedTuple):
    """A dispatch, as the database has it."""

    channel: str
    status: str
    code: str
    attempt: int


class Post:
    """One order, and what its customer is told."""

    def __init__(self, server: Server, owner: psycopg.Connection) -> None:
        self.server, self.owner = server, owner
        self.saga_id, self.order_id = uuid7(), uuid7()

    @property
    def number(self) -> str:
        return number_of(self.order_id)

    # --- what happens

    def contact(self, *, email: str = EMAIL, push_url: str = "") -> None:
        set_contact(customer_id=ANNA, email=email, push_url=push_url)

    def pushed_to(self) -> None:
        self.contact(email="", push_url=self.server.push_url)

    def confirm(self, saga_id: UUID | None = None) -> None:
        told: dict[str, Any] = {"customer_id": ANNA, "currency": "EUR", "total_cents": 12_05}
        command = SendConfirmation(order_id=self.order_id, **told)
        self.ask(command, "send_confirmation", saga_id)

    def cancel(self) -> None:
        told: dict[str, Any] = {"customer_id": ANNA, "currency": "EUR", "total_cents": 12_05}
        self.ask(SendCancellation(order_id=self.order_id, **told), "send_cancellation")

    def come_back(self, saga_id: UUID | None = None, to: RefundTo = RefundTo.ORIGINAL) -> None:
        """Goods have arrived, in a return that is a saga of its own."""
        told: dict[str, Any] = {"customer_id": ANNA, "currency": "EUR", "refunded_cents": 12_05}
        command = SendReturnNotice(order_id=self.order_id, refund_to=to, **told)
        self.ask(command, "send_return_notice", saga_id)

    def ask(self, command: Command, step: str, saga_id: UUID | None = None) -> None:
        topic = "notifications-commands"
        asked = envelope(command, saga_id or self.saga_id, step=step, topic=topic)
        Batch("notifications", [record(asked)]).carry_out()

    def hear(self, *events: Event) -> None:
        """In one batch."""
        Batch("notifications", [self.heard(each) for each in events]).carry_out()

    def heard(self, event: Event) -> Record:
        undone = type(event).__name__ == "OrderCancelled"
        action = Action.UNDO if undone else Action.DO
        return record(envelope(event, self.saga_id, step="create_order", action=action))

    def created(self) -> OrderCreated:
        return OrderCreated(
            order_id=self.order_id, customer_id=ANNA, currency="EUR", total_cents=12_05,
            lines=(PricedLine(product_id="tea", quantity=1, unit_price_cents=12_05),),
            payment_method=PaymentMethod.CREDIT, gift_wrap=False,
            address=Address(name="Anna", street="Main 1", postal_code="1", city="B", country="GB"),
        )  # fmt: skip

    def work(self) -> None:
        """What a worker does when it is woken."""
        deliver_due()
        work("notifications")

    def work_and_die(self) -> None:
        """A worker is killed between the server's answer and the commit that would keep it."""
        worker = subprocess.run(
            [sys.executable, "-c", DIES], check=False, timeout=60, env=self.environment()
        )
        assert worker.returncode == -signal.SIGKILL

    def environment(self) -> dict[str, str]:
        secrets = {"NOTIFY_WEBHOOK_SECRET": "of pushes", "DEBUG": "1", "LOG_LEVEL": "ERROR"}
        smtp = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(self.server.smtp_port)}
        return {**os.environ, **secrets, **smtp, "DJANGO_SETTINGS_MODULE": "sagaplatform.settings"}

    def time_passes(self) -> None:
        """What is put off is due, what is leased is not any more."""
        self.owner.execute(
            "UPDATE notifications_dispatch SET due_at = now() - interval '1 second',"
            " leased_until = leased_until - interval '1 hour'"
        )
        self.owner.execute("UPDATE notifications_intent SET due_at = now() - interval '1 second'")

    # --- what came of it

    def mails(self) -> list[Json]:
        return self.server.mails()

    def ways(self) -> list[Way]:
        rows = self.owner.execute(
            "SELECT channel, status, code, attempt FROM notifications_dispatch ORDER BY channel, id"
        )
        return [Way(*row) for row in rows.fetchall()]

    def inbox(self) -> list[tuple[str, str]]:
        rows = self.owner.execute(
            "SELECT kind, body FROM notifications_customermessage ORDER BY id"
        )
        return rows.fetchall()

    def told(self) -> list[Event]:
        """What notifications has told."""
        rows = self.owner.execute(
            "SELECT headers, payload FROM notifications_outboxmessage ORDER BY created_at, id"
        ).fetchall()
        read = [(msgspec.json.decode(headers, type=dict[str, str]), body) for headers, body in rows]
        return [
            msgspec.json.decode(body, type=MESSAGES[h["type"], int(h["version"])])  # type: ignore[misc]
            for h, body in read
        ]

    def log(self) -> list[tuple[str, str]]:
        rows = self.owner.execute("SELECT step, status FROM notifications_sagalog ORDER BY step")
        return rows.fetchall()

    def dispatch_id(self) -> UUID:
        row = self.owner.execute("SELECT id FROM notifications_dispatch").fetchone()
        assert row
        return UUID(str(row[0]))

    def undeliverable(self) -> bool:
        row = self.owner.execute(
            "SELECT undeliverable_since IS NOT NULL FROM notifications_contact"
        ).fetchone()
        assert row
        return bool(row[0])
