"""The start of a saga: its first step is done by the context that starts it."""

from functools import partial
from uuid import UUID

from django.db import transaction

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.plan import Plan
from apps.messaging.database import Database
from apps.messaging.envelope import new_envelope
from apps.messaging.errors import OutsideTransaction
from apps.messaging.failpoints import reach
from apps.messaging.outbox import publish
from apps.messaging.request import Request
from apps.messaging.saga_log import Answer, SagaLogTable
from apps.messaging.tracing import tracer


def start_saga(
    label: str,
    *,
    saga_id: UUID,
    step: str,
    event: Event,
    plan: Plan,
    traceparent: str | None = None,
) -> None:
    """Record the first step as done and tell of it, in the caller's transaction.

    `label` is the context that starts the saga, `traceparent` the W3C trace that the request came
    with; None: see `new_traceparent`. Raises OutsideTransaction where no transaction is open there.
    """
    database = Database(label)
    if not database.in_transaction():
        raise OutsideTransaction(database=label)
    request = Request(saga_id, step, Action.DO, generation=1, mode=plan.mode)
    transaction.on_commit(partial(reach, "start.after_commit", [request]), using=label)
    tracer().about(saga_id)
    envelope = new_envelope(
        event,
        request,
        plan=plan.to_header(),
        traceparent=traceparent or new_traceparent(),
    )
    answer = Answer(envelope.type, envelope.version, envelope.payload)
    SagaLogTable(database).record_done(saga_id, step, answer)
    publish(database, [envelope])


def new_traceparent() -> str:
    """For a message that no other led to; see `Tracer.new_traceparent`."""
    return tracer().new_traceparent()
