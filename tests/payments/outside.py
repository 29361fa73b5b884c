"""Card payments at a stand-in for Stripe in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from uuid_utils.compat import uuid7

from apps.contracts.base import Command
from apps.contracts.catalogue import Action
from apps.contracts.payments import AuthorizePayment, CapturePayment, RefundPayment, RefundReturn
from apps.contracts.values import AcceptedLine, PaymentMethod, PricedLine, RefundTo
from apps.messaging.batch import Batch
from apps.messaging.calls import work as make_calls
from apps.payments.stripe_api import client
from tests.messaging.kit import envelope, record
from tools.fakestripe.client import Control

KEY, SECRET = "sk_test_of_the_tests", "whsec_of_the_tests"
CENTS = 1500


def hold(saga_id: UUID, *, key: str = "", **other: Any) -> Any:
    """A PaymentIntent for a saga, made past the shop if no call of it says otherwise."""
    params: Any = {
        "amount": CENTS,
        "currency": "usd",
        "confirm": True,
        "capture_method": "manual",
        "allowed_payment_method_types": ["card"],
        "payment_method": "pm_card_visa",
        "metadata": {"saga_id": str(saga_id), "order_id": str(saga_id)},
        **other,
    }
    options: Any = {"idempotency_key": key} if key else {}
    return client().v1.payment_intents.create(params, options)


class Card:
    """One order paid by card: its saga has the same id."""

    returned_by: UUID  # the saga of the return that was asked for last

    def __init__(self, owner: psycopg.Connection, control: Control) -> None:
        self.owner, self.control, self.saga_id = owner, control, uuid7()

    def authorize(self) -> "Card":
        command = AuthorizePayment(
            order_id=self.saga_id, customer_id=7, currency="USD", total_cents=CENTS,
            payment_method=PaymentMethod.CARD, card="pm_card_visa",
        )  # fmt: skip
        return self._ask(command, "authorize_payment")

    def capture(self) -> "Card":
        return self._ask(CapturePayment(), "capture_payment")

    def undo(self) -> "Card":
        return self._ask(RefundPayment(), "authorize_payment", Action.UNDO)

    def give_back(self, pieces: int, to: RefundTo = RefundTo.ORIGINAL) -> "Card":
        """So many pieces at 5.00 came back, as a return of its own."""
        line = PricedLine(product_id="tea", quantity=3, unit_price_cents=500)
        accepted = AcceptedLine(product_id="tea", quantity=pieces, damaged=pieces)
        command = RefundReturn(
            placed_by=self.saga_id, lines=(line,), accepted=(accepted,), refund_to=to
        )
        self.returned_by = uuid7()
        self.asked(command, "refund_return", saga_id=self.returned_by)
        make_calls("payments")
        return self

    @property
    def refunds(self) -> list[tuple[int, str]]:
        """Cents and state of what was given back for returns."""
        return self.owner.execute(
            "SELECT cents, state FROM payments_refund ORDER BY asked_at"
        ).fetchall()

    @property
    def reference(self) -> str:
        """The PaymentIntent."""
        return str(self._one("SELECT reference FROM payments_payment WHERE saga_id = %s"))

    @property
    def status(self) -> str:
        return str(self._one("SELECT status FROM payments_payment WHERE saga_id = %s"))

    def as_of_an_hour_ago(self) -> "Card":
        """Nothing of it is too young to be judged."""
        self.owner.execute(
            "UPDATE payments_payment SET changed_at = changed_at - interval '1 hour'"
        )
        return self

    def asked(
        self,
        command: Command,
        step: str,
        action: Action = Action.DO,
        generation: int = 1,
        saga_id: UUID | None = None,
    ) -> "Card":
        """Ask, and leave the call that is wanted to a worker."""
        sent = envelope(
            command, saga_id or self.saga_id, step=step, action=action, generation=generation,
            topic="payments-commands",
        )  # fmt: skip
        Batch("payments", [record(sent)]).carry_out()
        return self

    def _ask(self, command: Command, step: str, action: Action = Action.DO) -> "Card":
        self.asked(command, step, action)
        make_calls("payments")
        return self

    def _one(self, statement: str) -> object:
        row = self.owner.execute(statement, [self.saga_id]).fetchone()
        assert row is not None
        return row[0]


class Told:
    """What payments has told, what it keeps of Stripe, and its calls, by their owner's eyes."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.owner = owner

    def needs(self) -> list[tuple[str, str, str]]:
        """Of each case that is asked for: kind, what it is about, and why."""
        rows = self.owner.execute(
            "SELECT headers, payload FROM payments_outboxmessage ORDER BY created_at, id"
        ).fetchall()
        told = [(msgspec.json.decode(headers), msgspec.json.decode(body)) for headers, body in rows]
        return [
            (body["kind"], headers["step_id"], body["reason"])
            for headers, body in told
            if headers["type"] == "PersonNeeded"
        ]

    def events(self) -> list[tuple[str, str, str]]:
        """Type, status and reason of each event of Stripe's."""
        return self.owner.execute(
            "SELECT type, status, reason FROM payments_stripeevent ORDER BY received_at, id"
        ).fetchall()

    def findings(self) -> list[tuple[str, bool]]:
        """Key of each finding, and whether it is gone."""
        return self.owner.execute(
            "SELECT key, gone_at IS NOT NULL FROM payments_finding ORDER BY id"
        ).fetchall()


@contextmanager
def door() -> Iterator[str]:
    """The shop's web pages on a free port, in threads; the address of the webhook."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet, allow_reuse_address=False)
    server.set_app(get_wsgi_application())
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/webhooks/stripe"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Tests say what they want to know."""
