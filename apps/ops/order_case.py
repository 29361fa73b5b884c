"""One order across all services, in plain words: for who has a customer on the phone.

Everything is read through the contexts' selectors, and nothing is changed. It takes the right to
look at orders and at sagas; the address stays masked.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from apps.inventory import selectors as inventory
from apps.messaging.admin.pages import Page
from apps.messaging.display import counted, label, moment, money, words
from apps.notifications import selectors as notifications
from apps.ops.goods_back import GoodsBack, goods_back_of
from apps.ops.story import (
    Sentence,
    Speech,
    answered,
    beside,
    by_hand,
    done_by_hand,
    next_of,
    verdict,
)
from apps.ops.traces import ACT, Trace, traces_of
from apps.ops.wishes import happened_of, lines_of, taking_back_of, verdict_of
from apps.orders import selectors as orders
from apps.orders.admin import OrderAdmin
from apps.payments import selectors as payments
from apps.sagas.admin.history import History
from apps.sagas.models import OperatorAction, Saga
from apps.sagas.selectors import told_by_others
from apps.shipping import selectors as shipping
from apps.shipping.carriers import IN_HOUSE

MAY_LOOK = "sagas.view_saga"
STOCK = {"reserved": "set aside", "released": "put back", "shipped": "left the house"}
PARCEL = {
    "booked": "booked",
    "handed_over": "with the carrier",
    "cancelled": "cancelled",
    "recalled": "kept back, for the customer cancelled",
}
GIFT = {"wrapped": "wrapped", "unwrapped": "unwrapped again"}


class Line(NamedTuple):
    """A product of the order."""

    product: str
    quantity: int
    unit_price: str
    price: str
    stock: str  # what became of the pieces


class Money(NamedTuple):
    """What was done with the customer's money, and what is left of it here."""

    what: str
    amount: str


class Case(NamedTuple):
    """All that the page shows."""

    taken_on: bool  # whether there is a saga to look at
    verdict: str
    desk: str  # the address of what stands on the desk; empty where nothing does
    next: Sequence[str]
    lines: Sequence[Line]
    money: Sequence[Money]
    parcel: Sequence[str]
    wish: Sequence[str]  # to cancel, and what became of it
    returns: Sequence[object]  # of goods, and what can still come back
    taken_back_by: UUID | None  # the saga that takes the order back
    sent: Sequence[Sentence]  # to the customer
    readable: Sequence[Sentence]  # what the customer can read of the order
    happened: Sequence[Sentence]
    hands: Sequence[Sentence]


def case_view(admin: OrderAdmin, request: HttpRequest, order: Any) -> HttpResponse:
    """The page of one order's case."""
    if not request.user.has_perm(MAY_LOOK):
        raise PermissionDenied
    orders.read_whole(order)
    context = {
        **admin.admin_site.each_context(request),
        "title": f"Order {order.number}",
        "opts": admin.opts,
        "original": order,
        "order": order,
        "status": label(order.status),
        "on_desk": label("on the desk", "danger"),
        "total": money(order.total_cents, order.currency),
        "gift": admin.gift(order),
        "address": admin.masked_address(order),
        "case": case_of(order),
    }
    return TemplateResponse(request, "admin/orders/order/case.html", context)


def case_of(order: Any) -> Case:
    """Read everything about an order, with its lines and events read already."""
    reserved = inventory.reserved_for(order.saga_id)
    speech = Speech(order.currency, {each.product_id: each.name for each in reserved})
    saga = Saga.objects.filter(saga_id=order.saga_id).first()
    history = History.read(saga) if saga else None
    wish, back = orders.cancellation_of(order), goods_back_of(order, speech)
    sagas = _sagas(order, wish, back)
    by_saga = {each: [*traces_of(each)] for each in sagas}
    traces = [trace for found in by_saga.values() for trace in found]
    parcel = shipping.shipment_of_saga(order.saga_id)
    sent = [message for each in sagas for message in notifications.sent_for(each)]
    taking_back = taking_back_of(wish)
    needs = told_by_others(sagas)
    moves = _moves(history, taking_back, *back.histories)
    hands = sorted(
        hand
        for saga_id, part in sagas.items()
        for hand in _by_hand(part, moves.get(saga_id, ()), by_saga[saga_id])
    )
    happened = [
        *_happened(order, history, speech),
        *_outside(parcel, sent),
        *happened_of(wish, taking_back, speech),
        *back.happened,
    ]
    return Case(
        taken_on=saga is not None,
        verdict=_verdict(order, history, wish, speech),
        desk=_desk(order.number if needs else "", history, taking_back, *back.histories),
        next=[
            *(f"A person has to look: {each}" for each in needs),
            *_next_of(taking_back, *back.histories),
            *_next(order, history, parcel),
            *_parked(traces),
            *_in_vain(traces),
        ],
        lines=[*_lines(order, speech, {each.product_id: each for each in reserved})],
        money=[*_money(order.saga_id)],
        parcel=[*_parcel(order.saga_id, parcel)],
        wish=[*lines_of(wish)],
        returns=back.lines,
        taken_back_by=taking_back.saga.saga_id if taking_back else None,
        sent=[Sentence(each.sent_at, each.subject, "done") for each in sent],
        readable=[*_readable(order, speech)],
        happened=sorted([*happened, *hands]),
        hands=hands,
    )


# --- where it stands


def _verdict(order: Any, history: History | None, wish: Any, speech: Speech) -> str:
    if wish and wish.saga_id and wish.status == "cancelled":
        return verdict_of(wish)
    stands = verdict(history, speech) if history else _not_taken_on(order)
    return f"{stands} {verdict_of(wish)}".rstrip()


def _desk(number: str, *histories: History | None) -> str:
    """Where the cases are of the order of that number, if one is given; else of the first saga that
    needs a person."""
    stuck = [each.saga.saga_id for each in histories if each and each.needs_person]
    if not (found := number or next(iter(stuck), "")):
        return ""
    return f"{reverse('admin:sagas_case_changelist')}?{urlencode({'standing': 'open', 'q': found})}"


def _next_of(*histories: History | None) -> Iterator[str]:
    """Of the sagas that take something back."""
    for each in histories:
        if each and not each.saga.ended_at:
            yield from next_of(each)


def _not_taken_on(order: Any) -> str:
    times = counted(order.start_told, "time")
    return f"The order was accepted and is not taken on yet: it was told {times}."


def _next(order: Any, history: History | None, parcel: Any) -> Iterator[str]:
    """What is to come; what the engine does not know of, too."""
    if history is None:
        yield "It is told again by itself until somebody takes it on."
        return
    if not history.saga.ended_at:
        yield from next_of(history)
        return
    outside = parcel and parcel.carrier != IN_HOUSE
    if outside and (followed := shipping.tracking_of_saga(order.saga_id)):
        at, stage = moment(followed.changed_at), words(followed.stage)
        yield format_html("{} says of the parcel: {}, {}.", parcel.carrier, stage, at)
    elif parcel and parcel.status == "booked":
        comes = shipping.pickup_of_saga(order.saga_id)
        if comes:
            yield format_html("The parcel is booked; the carrier comes at {}.", moment(comes))
        else:
            yield "The parcel is booked; the carrier takes it next."
    elif parcel and parcel.handed_over_at:
        yield format_html("The carrier has the parcel since {}.", moment(parcel.handed_over_at))
    else:
        yield "Nothing more happens by itself."


def _parked(traces: Sequence[Trace]) -> Iterator[str]:
    """Messages that could not be handled hold the order up until somebody settles them."""
    for each in traces:
        if each.is_parked:
            yield (
                f"{each.context} could not handle {each.type or 'a message'} ({each.error}):"
                " operations has to correct or repeat it."
            )


def _in_vain(traces: Sequence[Trace]) -> Iterator[str]:
    """Calls outside that are asked again and again."""
    for each in traces:
        if each.in_vain:
            yield f"{each.context} has had no good answer from outside yet ({each.error})."


# --- what happened


def _happened(order: Any, history: History | None, speech: Speech) -> Iterator[Sentence]:
    if history is None:
        total = money(order.total_cents, order.currency)
        pieces = counted(sum(line.quantity for line in order.lines.all()), "piece")
        yield Sentence(order.placed_at, f"The customer ordered {pieces} for {total}.", "done")
        return
    yield from (answered(line, speech) for line in history.answers)
    yield from (beside(event) for event in history.events)


def _outside(parcel: Any, sent: Sequence[notifications.Sent]) -> Iterator[Sentence]:
    """What is no step of the plan."""
    if parcel and parcel.handed_over_at:
        yield Sentence(parcel.handed_over_at, "The carrier took the parcel.", "done")
    for each in sent:
        if each.read_at:
            yield Sentence(each.read_at, f"The customer read “{each.subject}”.", "beside")


def _sagas(order: Any, wish: Any, back: GoodsBack) -> dict[UUID, str]:
    """The order's sagas, each with what it carries out; empty for the one that places the order."""
    cancellation = {wish.saga_id: "cancellation"} if wish and wish.saga_id else {}
    return {order.saga_id: "", **cancellation, **dict.fromkeys(back.sagas, "return")}


def _moves(*histories: History | None) -> dict[UUID, Sequence[OperatorAction]]:
    """What people did in the engine, by saga."""
    return {each.saga.saga_id: each.moves for each in histories if each}


def _by_hand(
    part: str, moves: Sequence[OperatorAction], traces: Sequence[Trace]
) -> Iterator[Sentence]:
    """What people did to one saga, in whatever context, each once: a move is a trace, too."""
    yield from (by_hand(move, part) for move in moves)
    told = {move.id for move in moves}
    for each in traces:
        if each.table == ACT and each.id not in told:
            did = (each.type, each.status, each.step, *_split(each.error))
            yield done_by_hand(each.since, *did, part)


def _split(told_of: str) -> tuple[str, str]:
    """Why, and what was done."""
    reason, _, outcome = told_of.rpartition(": ")
    return reason, outcome


def _readable(order: Any, speech: Speech) -> Iterator[Sentence]:
    """What the customer can read on the order's own timeline."""
    for each in order.events.all():
        reason = each.facts.get("reason") or each.facts.get("why_not")
        text = reason or ON_TIMELINE.get(each.type, words(each.step))
        if cents := each.facts.get("amount_cents"):
            text = f"{text}: {speech.money(cents)}"
        yield Sentence(each.at, text, "beside")


ON_TIMELINE = {
    "OrderCreated": "Order placed",
    "StockReserved": "Goods set aside",
    "PaymentCaptured": "Paid",
    "PaymentRefunded": "Given back",
    "OrderConfirmed": "Order confirmed",
    "OrderCancelled": "Order cancelled",
    "ShipmentHandedOver": "With the carrier",
    "CancelRequested": "Cancellation requested",
    "CancelAccepted": "Cancellation accepted",
    "CancelTooLate": "Paid already: confirmed first, then taken back",
    "CancellationBegun": "Being taken back",
    "ShipmentRecalled": "Parcel kept back",
    "PaymentReturned": "Given back",
    "ConfirmedOrderCancelled": "Order cancelled",
    "CancellationRefused": "Not cancelled: the order stays confirmed",
    "ReturnBegun": "Return announced",
    "StepWaits": "Return awaited",
    "GoodsReceived": "Return received",
    "ReturnRefunded": "Given back",
    "ReturnClosed": "Return closed",
    "ReturnRefused": "Return refused",
}


# --- what there is


def _lines(order: Any, speech: Speech, reserved: dict[str, inventory.Reserved]) -> Iterator[Line]:
    for line in order.lines.all():
        held = reserved.get(line.product_id)
        name = speech.names.get(line.product_id)
        yield Line(
            product=f"{line.product_id} {name}" if name else line.product_id,
            quantity=line.quantity,
            unit_price=money(line.unit_price_cents, order.currency),
            price=money(line.quantity * line.unit_price_cents, order.currency),
            stock=STOCK.get(held.status, held.status) if held else "never set aside",
        )


def _money(saga_id: UUID) -> Iterator[Money]:
    found = payments.summary_of_saga(saga_id)
    if found is None:
        yield Money("Nothing was held or taken", "")
        return
    by = {"credit": "store credit", "card": "card"}.get(found.method, found.method)
    yield Money(f"Held, by {by}", money(found.amount_cents, found.currency))
    lifted = found.status == "refunded" and not found.captured_cents
    if lifted:
        yield Money("Given back: the hold was lifted", money(found.amount_cents, found.currency))
    yield Money("Taken", money(found.captured_cents, found.currency))
    if found.refunded_cents:
        yield Money("Given back", money(found.refunded_cents, found.currency))
    kept = found.captured_cents - found.refunded_cents
    yield Money("The shop has", money(kept, found.currency))


def _parcel(saga_id: UUID, parcel: Any) -> Iterator[str]:
    if gift := shipping.gift_of_saga(saga_id):
        boxes = counted(gift.boxes, "box", "boxes")
        yield f"Gift of {counted(gift.pieces, 'piece')} in {boxes}: {GIFT[gift.status]}"
    if parcel is None:
        yield "No parcel was booked"
        return
    size = f"{counted(parcel.parcels, 'parcel')} with {counted(parcel.pieces, 'piece')}"
    yield f"{parcel.reference}, {size}, by {parcel.carrier}: {PARCEL[parcel.status]}"
    if parcel.tracking_number:
        yield f"Tracking number {parcel.tracking_number}"


PAGE = Page("case", "case/", case_view)
