"""The laws across databases that do not go saga by saga."""

from collections.abc import Collection, Iterator
from uuid import UUID

from django.conf import settings
from requests import RequestException

from apps.inventory import selectors as inventory
from apps.ops.conservation.proof import Fault, Tally, View
from apps.ops.conservation.sagas_seen import chunks
from apps.orders import selectors as orders
from apps.payments import selectors as payments
from apps.sagas import selectors as sagas
from apps.sagas.state import Status
from apps.shipping import reconciliation
from apps.shipping import selectors as shipping
from apps.shipping.errors import NoDefiniteAnswer


def open_things(view: View, tally: Tally) -> None:
    """Live sagas may hold what they like, also while nobody has heard of them whom events drive:
    whether they are heard of at all says the law of the orders. An ended one holds nothing, but for
    the reservation and booking of a confirmed order until the hand-over, which may take as long as
    a message may."""
    things = (
        *((each.saga_id, "money") for each in payments.open_holds()),
        *((each.saga_id, "stock") for each in inventory.open_reservations()),
        *((each.saga_id, "a booking") for each in shipping.open_bookings()),
    )
    for chunk in chunks(things):
        saga_ids = {saga_id for saga_id, _ in chunk}
        standings = sagas.facts_of(saga_ids)
        excused = _taken_back_now(saga_ids) | _not_heard_of(saga_ids - standings.keys())
        for saga_id, thing in chunk:
            if saga_id in excused:
                tally.checked += 1
                continue
            tally.look(f"saga {saga_id}", _held_for_nothing(thing, standings.get(saga_id), view))


def _taken_back_now(saga_ids: Collection[UUID]) -> set[UUID]:
    """Those of these sagas whose orders are being taken back: step by step they let go."""
    found = orders.cancellations_of_sagas(saga_ids)
    return {each.placed_by for each in found if each.status == "returning"}


def _not_heard_of(saga_ids: Collection[UUID]) -> set[UUID]:
    """Those of these sagas that an order began."""
    return {each.saga_id for each in orders.facts_of_sagas(saga_ids)} if saga_ids else set()


def _held_for_nothing(thing: str, standing: sagas.SagaFacts | None, view: View) -> Iterator[str]:
    if standing is None:
        yield f"holds {thing}, but there is no such saga"
    elif standing.ended_at is None:
        return
    elif standing.status == Status.CONFIRMED and thing != "money":
        if standing.ended_at < view.shipped_before:
            yield f"holds {thing}, but was confirmed and should have been handed over"
    elif standing.ended_at < view.settled_before:
        yield f"holds {thing}, but has ended"


def unpaid(view: View, tally: Tally) -> None:
    """Of live sagas too: nothing leaves the house before its order is paid and confirmed."""
    for chunk in chunks(shipping.handed_over()):
        saga_ids = [each.saga_id for each in chunk]
        confirmed = {
            each.saga_id for each in orders.facts_of_sagas(saga_ids) if each.status == "confirmed"
        }
        paid = payments.captured_sagas(saga_ids)
        for saga_id in saga_ids:
            tally.look(f"saga {saga_id}", _left_unpaid(saga_id in confirmed, saga_id in paid))


def _left_unpaid(confirmed: bool, paid: bool) -> Iterator[str]:
    if not confirmed:
        yield "its parcel left the house, but its order is not confirmed"
    if not paid:
        yield "its parcel left the house, but it is not paid"


def carriers_bookings(view: View, tally: Tally) -> None:
    """Where a carrier outside is chosen. One that does not answer proves nothing, and is told."""
    if not settings.CARRIER_URL:
        return
    try:
        compared = reconciliation.compare()
    except (RequestException, NoDefiniteAnswer) as error:
        tally.look("the carrier", iter([f"could not be asked: {type(error).__name__}"]))
        return
    tally.checked = compared.checked
    tally.faults += [Fault(f"parcel {which}", how) for which, how in compared.differences]


def accepted_orders(view: View, tally: Tally) -> None:
    for chunk in chunks(orders.all_order_facts()):
        known = sagas.facts_of({each.saga_id for each in chunk})
        for each in chunk:
            if each.placed_at < view.overdue_before or each.saga_id in known:
                tally.look(f"order {each.number}", _half_accepted(each, each.saga_id in known))
        wishes_without_saga(view, tally, [each.saga_id for each in chunk])
        returns_without_saga(view, tally, [each.saga_id for each in chunk])


def wishes_without_saga(view: View, tally: Tally, saga_ids: Collection[UUID]) -> None:
    """Of the orders that these sagas placed, those that are said to be taken back by none."""
    wishes = orders.cancellations_of_sagas(saga_ids)
    known = sagas.facts_of([each.saga_id for each in wishes])
    for each in wishes:
        if each.begun_at < view.overdue_before or each.saga_id in known:
            faults = [] if each.saga_id in known else ["is taken back by no saga"]
            tally.look(f"the order of saga {each.placed_by}", iter(faults))


def returns_without_saga(view: View, tally: Tally, saga_ids: Collection[UUID]) -> None:
    """Of the orders that these sagas placed, the returns whose goods nobody awaits."""
    returns = orders.returns_of_sagas(saga_ids)
    known = sagas.facts_of([each.saga_id for each in returns])
    for each in returns:
        if each.requested_at < view.overdue_before or each.saga_id in known:
            faults = [] if each.saga_id in known else ["has a return that no saga carries out"]
            tally.look(f"the order of saga {each.placed_by}", iter(faults))


def _half_accepted(order: orders.OrderFact, has_saga: bool) -> Iterator[str]:
    if not has_saga:
        yield f"has no saga {order.saga_id}"
    if not order.started:
        yield "its saga log does not know create_order"
    if order.keys != 1:
        yield f"{order.keys} idempotency keys led to it"


def sagas_of_orders(view: View, tally: Tally) -> None:
    for chunk in chunks(each.saga_id for each in sagas.sagas_by_id()):
        known = {each.saga_id for each in orders.facts_of_sagas(chunk)}
        known |= {each.saga_id for each in orders.cancellations_of_sagas(chunk)}
        known |= {each.saga_id for each in orders.returns_of_sagas(chunk)}
        for saga_id in chunk:
            tally.look(f"saga {saga_id}", iter([] if saga_id in known else ["has no order"]))
