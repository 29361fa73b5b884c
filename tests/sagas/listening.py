"""Lets the engine hear events as the messaging layer would, without Kafka."""

from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.orders import CancelRequested
from apps.contracts.plan import Plan
from apps.messaging.context import context
from apps.messaging.handling import Heard, Outgoing, Task
from apps.messaging.request import Request
from apps.sagas.engine import Sagas
from apps.sagas.handlers import LISTENERS
from tests.sagas.scenarios import CREATED, PLAIN


def news(
    saga_id: UUID,
    step: str,
    event: Event,
    *,
    action: Action = Action.DO,
    generation: int = 1,
    plan: str = PLAIN.to_header(),
    inputs: str = "",
) -> Heard:
    """An event as a listener sees it: one of a saga that events drive where its plan says so."""
    request = Request(saga_id, step, action, generation, Plan.from_header(plan).mode)
    return Heard(uuid7(), request, event, plan, "", inputs)


def created(saga_id: UUID, order_id: UUID | None = None, *, plan: str = PLAIN.to_header()) -> Heard:
    """The start of an order's saga."""
    return news(saga_id, "create_order", order(order_id or saga_id), plan=plan)


def wish(saga_id: UUID, reason: str = "A mistake", *, plan: str = PLAIN.to_header()) -> Heard:
    """The customer's wish to cancel it."""
    event = CancelRequested(
        order_id=saga_id, customer_id=17850, total_cents=1530, currency="GBP", reason=reason
    )
    return news(saga_id, "cancel_order", event, plan=plan)


def order(order_id: UUID) -> Event:
    values = {name: getattr(CREATED, name) for name in CREATED.__struct_fields__}
    return type(CREATED)(**values | {"order_id": order_id})


def hear(*batch: Heard) -> list[Outgoing]:
    """Hear one batch in one committed transaction; what is sent."""
    database = context("sagas").database
    with database.transaction():
        workspace = Sagas.load(database, tasks(batch))
        sent = [out for each in batch for out in LISTENERS[type(each.event)].hear(each, workspace)]
        workspace.save()
    return sent


def tasks(batch: Sequence[Heard]) -> list[Task]:
    return [Task(each.request, each.event) for each in batch]
