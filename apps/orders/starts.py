"""The start of a saga of orders, told once more: of one that places an order, of one that takes a
confirmed order back, or of a return. What was told is kept in orders' own saga log.
"""

from uuid import UUID

from apps.contracts.catalogue import EVENT_TOPICS, MESSAGES, Action
from apps.contracts.plan import Plan
from apps.contracts.reading import read
from apps.contracts.steps import PersonNeeded
from apps.messaging.database import Row
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.request import Request
from apps.messaging.starting import new_traceparent
from apps.processes import PLACE_ORDER

MOST_TELLINGS = 4  # then a person is asked

# Orders with the first step of their plan as it was told.
STARTS = """
SELECT placed.id, placed.saga_id, placed.plan, placed.start_told, log.step,
    log.answer_type, log.answer_version, log.answer
FROM orders_order AS placed
JOIN orders_sagalog AS log ON log.saga_id = placed.saga_id
    AND log.step = split_part(split_part(placed.plan, '/', 4), ',', 1)
"""

# The same of wishes whose confirmed orders are being taken back.
RETURNS = """
SELECT wish.order_id, wish.saga_id, wish.plan, wish.start_told, log.step,
    log.answer_type, log.answer_version, log.answer
FROM orders_cancellation AS wish
JOIN orders_sagalog AS log ON log.saga_id = wish.saga_id
    AND log.step = split_part(split_part(wish.plan, '/', 4), ',', 1)
"""

# The same of returns.
GOODS_BACK = """
SELECT parcel.order_id, parcel.saga_id, parcel.plan, parcel.start_told, log.step,
    log.answer_type, log.answer_version, log.answer
FROM orders_return AS parcel
JOIN orders_sagalog AS log ON log.saga_id = parcel.saga_id
    AND log.step = split_part(split_part(parcel.plan, '/', 4), ',', 1)
"""


def start_of(row: Row) -> Envelope:
    """The start again, as it was told; or after the last telling that a person is needed."""
    order_id, saga_id, plan, told, step, *answer = row
    if told == MOST_TELLINGS:
        return need_of(order_id, saga_id, plan, step)
    name, version, payload = answer
    event = read(bytes(payload), MESSAGES[name, version])
    request = _request(saga_id, plan, step)
    return new_envelope(event, request, plan=plan, traceparent=new_traceparent())


def need_of(order_id: UUID, saga_id: UUID, plan: str, step: str) -> Envelope:
    """A person should look: nobody takes the order on, or back."""
    what = "on" if Plan.from_header(plan).process == PLACE_ORDER.name else "back"
    reason = (
        f"Nobody takes {what} order {order_id}; that was told {MOST_TELLINGS} times. "
        f"When the engine is well: manage.py tell_start {order_id}"
    )
    event = PersonNeeded(kind="start_lost", context="orders", reason=reason)
    return new_envelope(
        event,
        _request(saga_id, plan, step),
        plan=plan,
        traceparent=new_traceparent(),
        topic=EVENT_TOPICS["orders"],
    )


def _request(saga_id: UUID, plan: str, step: str) -> Request:
    return Request(saga_id, step, Action.DO, 1, Plan.from_header(plan).mode)
