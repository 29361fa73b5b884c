"""The returns of an order, in plain words."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from apps.inventory import selectors as inventory
from apps.messaging.display import counted, link, money
from apps.ops.story import Sentence, Speech, answered, beside
from apps.orders import selectors as orders
from apps.sagas.admin.history import History
from apps.sagas.models import Saga

WAYS = {"original": "the way it was paid", "credit": "as store credit"}


class GoodsBack(NamedTuple):
    """What is known of the returns of one order."""

    lines: Sequence[object]  # texts or HTML
    histories: Sequence[History]  # of those that the engine knows
    happened: Sequence[Sentence]
    sagas: Sequence[Any]  # their ids


def goods_back_of(order: Any, speech: Speech) -> GoodsBack:
    """The returns of an order. A few statements, and three for each return."""
    returns = orders.returns_of(order)
    sagas = [each.saga_id for each in returns]
    found = Saga.objects.filter(saga_id__in=sagas).order_by("saga_id")
    histories = [History.read(saga) for saga in found] if sagas else []
    return GoodsBack(
        lines=[*_lines(order, returns, speech)],
        histories=histories,
        happened=[*_happened(histories, speech)],
        sagas=sagas,
    )


def _lines(order: Any, returns: Sequence[Any], speech: Speech) -> Iterator[object]:
    """Each return and where it stands, sentence by sentence; and what can still come back."""
    desks = {each.saga_id: each for each in inventory.arrivals_of([r.saga_id for r in returns])}
    for each in returns:
        yield stands(each, order.currency)
        if each.reason:
            yield f"In the customer's words: “{each.reason}”"
        if desk := desks.get(each.saga_id):
            yield link("inventory_arrival", desk.pk, "What arrived of it")
    returnable = orders.returnable_of_order(order)
    if returnable.possible:
        left = counted(sum(returnable.left.values()), "piece")
        yield f"The customer can still return {left}."
    else:
        yield returnable.why_not


def stands(parcel: Any, currency: str) -> str:
    """Where a return stands."""
    pieces = counted(sum(line.quantity for line in parcel.lines.all()), "piece")
    if parcel.status == "completed":
        accepted = sum(line.accepted for line in parcel.lines.all())
        paid = money(parcel.refunded_cents, currency)
        return f"{accepted:,} of {pieces} came back: {paid} given back {WAYS[parcel.refund_to]}."
    if parcel.status == "refused":
        return f"A return of {pieces} was refused: {parcel.why_not or 'nothing is known of why'}."
    return f"{pieces} announced as returned, to be paid back {WAYS[parcel.refund_to]}."


def _happened(histories: Sequence[History], speech: Speech) -> Iterator[Sentence]:
    for history in histories:
        yield from (answered(line, speech) for line in history.answers)
        yield from (beside(event) for event in history.events)
