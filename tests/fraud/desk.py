"""Fraud's database and the person who decides, as one saga meets them."""

from typing import Any
from uuid import UUID

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from apps.contracts.base import Command, Message
from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.fraud import CheckFraud, Destination, LiftFraudCheck
from apps.fraud.services import decide_review
from apps.messaging.audit import Actor
from apps.messaging.batch import Batch
from tests.messaging.kit import envelope, record

CUSTOMER = 7
ADA = Actor(id=3, name="ada")
DEAR = 200_001  # cents: a person decides


def check(order_id: UUID, cents: int = 900, country: str = "US") -> CheckFraud:
    """What fraud is asked of an order."""
    return CheckFraud(
        order_id=order_id, customer_id=CUSTOMER, currency="USD", total_cents=cents,
        address=Destination(country=country),
    )  # fmt: skip


class Desk:
    """One saga's check."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.owner, self.saga_id, self.order_id = owner, uuid7(), uuid7()

    def ask(self, message: Command, action: Action = Action.DO, **request: Any) -> None:
        """As the consumer carries it out."""
        asked = envelope(
            message, self.saga_id, step="check_fraud", action=action, topic="fraud-commands",
            **request,
        )  # fmt: skip
        Batch("fraud", [record(asked)]).carry_out()

    def check(self, cents: int = 900, country: str = "US", **request: Any) -> None:
        self.ask(check(self.order_id, cents, country), **request)

    def lift(self) -> None:
        self.ask(LiftFraudCheck(), Action.UNDO)

    def decide(self, *, clear: bool, version: int = 0, reason: str = "she is well known") -> None:
        """What a person does."""
        decide_review(
            review_id=self.review_id(), clear=clear, version=version, actor=ADA, reason=reason
        )

    def review_id(self) -> UUID:
        row = self.owner.execute(
            "SELECT id FROM fraud_review WHERE saga_id = %s ORDER BY asked_at DESC LIMIT 1",
            [self.saga_id],
        ).fetchone()
        assert row, "nobody was asked"
        id: UUID = row[0]
        return id

    def reviews(self) -> list[tuple[str, str]]:
        """Status and who decided, the oldest first."""
        return self._all("SELECT status, decided_by FROM fraud_review ORDER BY asked_at")

    def assessments(self) -> list[tuple[str, str, int]]:
        """Status, who decided, and the total."""
        return self._all(
            "SELECT status, decided_by, total_cents FROM fraud_assessment ORDER BY assessed_at"
        )

    def actions(self) -> list[tuple[str, str, str, str]]:
        """The audit: who, what, why, and what came of it."""
        return self._all("SELECT actor, operation, reason, outcome FROM fraud_operatoraction")

    def told(self) -> list[Message]:
        """All that fraud has told, but for that it waits, by name: what one transaction tells has
        no order."""
        rows = self.owner.execute("SELECT headers, payload FROM fraud_outboxmessage").fetchall()
        read = [(msgspec.json.decode(headers, type=dict[str, str]), body) for headers, body in rows]
        messages = [
            msgspec.json.decode(body, type=MESSAGES[told["type"], int(told["version"])])
            for told, body in read
            if told["type"] != "StepWaits"
        ]
        return sorted(messages, key=lambda each: type(each).__name__)

    def waits(self) -> int:
        """How often it was told that a person looks."""
        rows = self.owner.execute("SELECT headers FROM fraud_outboxmessage").fetchall()
        return sum("StepWaits" in headers for (headers,) in rows)

    def log(self) -> str:
        """Status of the saga log's row."""
        [(status,)] = self._all("SELECT status FROM fraud_sagalog")
        return str(status)

    def _all(self, statement: str) -> list[Any]:
        return self.owner.execute(statement).fetchall()
