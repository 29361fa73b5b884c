"""What a person should know of the money outside: told once for each thing, and kept.

A finding comes onto the desk as a case of its own, named by the gateway's object, so that two
refunds of one order that come back are two cases.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import EVENT_TOPICS, Action
from apps.contracts.numbers import number_of
from apps.contracts.plan import Mode, Plan
from apps.contracts.steps import PersonNeeded
from apps.messaging.database import Database
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.outbox import publish
from apps.messaging.request import Request
from apps.messaging.starting import new_traceparent
from apps.payments.models import FindingKind
from apps.processes import PLACE_ORDER

log = structlog.get_logger()

# Write a finding, unless it is known; one that had gone and is there again is told again.
WRITE = """
INSERT INTO payments_finding AS known
  (id, key, kind, saga_id, order_id, reference, payment_intent, text)
VALUES (%b, %b, %b, %b, %b, %b, %b, %b)
ON CONFLICT (key) DO UPDATE SET gone_at = NULL, found_at = now() WHERE known.gone_at IS NOT NULL
RETURNING id
"""

# there -> gone
GONE = """
UPDATE payments_finding SET gone_at = now() WHERE key = ANY(%b::text[]) AND gone_at IS NULL
"""

# The plan that a saga's messages carry, from the calls that were wanted for it.
PLAN_OF = """
SELECT request::jsonb ->> 'plan' FROM payments_intent WHERE saga_id = %b ORDER BY id DESC LIMIT 1
"""


class NewFinding(NamedTuple):
    """Something found, in words for who reads the desk."""

    key: str  # names the thing
    kind: FindingKind
    saga_id: UUID
    order_id: UUID | None
    reference: str
    payment_intent: str
    text: str


def tell(found: NewFinding) -> bool:
    """Tell a person in the transaction that is open on payments, unless that was done before.

    Whether it was new.
    """
    database = Database("payments")
    if not database.fetch(WRITE, (uuid7(), *found)):
        return False
    log.warning(
        "finding", kind=found.kind.value, saga_id=str(found.saga_id), reference=found.reference
    )
    publish(database, [_need(database, found)])
    return True


def are_gone(keys: Sequence[str]) -> int:
    """Note that what these findings tell of is there no more; how many were there till now."""
    return Database("payments").execute(GONE, [list(keys)]) if keys else 0


def order_in_words(order_id: UUID | None) -> str:
    """An order by its number, or that nobody knows which."""
    return f"order {number_of(order_id)}" if order_id else "an order that is not named"


def _need(database: Database, found: NewFinding) -> Envelope:
    event = PersonNeeded(kind=found.kind.value, context="payments", reason=found.text)
    rows = database.fetch(PLAN_OF, [found.saga_id])
    return new_envelope(
        event,
        # A case is about a request: where that is none of a step, about the gateway's object.
        Request(found.saga_id, found.reference, Action.DO, 1, Mode.ORCHESTRATED),
        plan=(rows and rows[0][0]) or _any_plan(),
        traceparent=new_traceparent(),
        topic=EVENT_TOPICS["payments"],
    )


def _any_plan() -> str:
    """Of money that no saga of ours is known for, a message needs a plan all the same."""
    steps = tuple(each.name for each in PLACE_ORDER.steps)
    mode, version = Mode.ORCHESTRATED, PLACE_ORDER.version
    return Plan(process=PLACE_ORDER.name, version=version, mode=mode, steps=steps).to_header()
