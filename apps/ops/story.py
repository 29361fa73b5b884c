"""What happened to an order, in sentences that anybody understands. Pure.

A sentence for each answer that a saga of an order takes, for each thing that happened beside, and
for what turned it back. What has no sentence here is told by its names.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.contracts.catalogue import Action
from apps.messaging.display import counted, moment, money, words
from apps.processes import Kind
from apps.sagas.admin.graph import OF_OUTCOMES, Standing
from apps.sagas.admin.history import History
from apps.sagas.models import OperatorAction, Saga, SagaEvent, SagaStep
from apps.sagas.state import Outcome, Status

Facts = Mapping[str, Any]

# Who does a step, for people.
WHO = {
    "create_order": "the shop",
    "reserve_stock": "the stock",
    "freeze_price": "pricing",
    "check_fraud": "the fraud desk",
    "authorize_payment": "the payment",
    "wrap_gift": "the gift desk",
    "create_shipment": "the carrier",
    "capture_payment": "the payment",
    "confirm_order": "the shop",
    "send_confirmation": "the mail",
    "begin_cancellation": "the shop",
    "recall_shipment": "the carrier",
    "return_payment": "the payment",
    "unpack_gift": "the gift desk",
    "withdraw_price": "pricing",
    "free_stock": "the stock",
    "cancel_confirmed_order": "the shop",
    "send_cancellation": "the mail",
    "begin_return": "the shop",
    "receive_goods": "the desk for returns",
    "refund_return": "the payment",
    "restock": "the stock",
    "close_return": "the shop",
    "send_return_notice": "the mail",
}
# What a step is, as something that is waited for.
DOING = {
    "reserve_stock": "the goods to be set aside",
    "freeze_price": "the prices to be promised",
    "check_fraud": "the order to be checked for fraud",
    "authorize_payment": "the money to be held",
    "wrap_gift": "the gift to be wrapped",
    "create_shipment": "the parcel to be booked",
    "capture_payment": "the money to be taken",
    "confirm_order": "the order to be confirmed",
    "send_confirmation": "the customer to be told",
    "recall_shipment": "the parcel to be kept back",
    "return_payment": "the money to be given back",
    "unpack_gift": "the gift to be unwrapped",
    "withdraw_price": "the promised prices to be taken back",
    "free_stock": "the goods to be put back",
    "cancel_confirmed_order": "the order to be cancelled",
    "send_cancellation": "the customer to be told",
    "receive_goods": "the returned goods to arrive",
    "refund_return": "their price to be given back",
    "restock": "the goods to be put back",
    "close_return": "the return to be closed",
    "send_return_notice": "the customer to be told",
}
UNDOING = {
    "create_order": "the order to be cancelled",
    "reserve_stock": "the goods to be put back",
    "freeze_price": "the promised prices to be taken back",
    "check_fraud": "the check for fraud to be lifted",
    "authorize_payment": "the money to be given back",
    "wrap_gift": "the gift to be unwrapped",
    "create_shipment": "the booking to be cancelled",
    "begin_cancellation": "the wish to cancel to be refused",
    "begin_return": "the return to be refused",
}


class Speech(NamedTuple):
    """What every sentence needs to know of the order."""

    currency: str
    names: Mapping[str, str]  # of products, by id

    def money(self, cents: object) -> str:
        return money(int(str(cents)), self.currency)

    def product(self, id: object) -> str:
        return self.names.get(str(id)) or str(id)

    def pieces(self, lines: Sequence[Facts]) -> str:
        return counted(sum(int(line["quantity"]) for line in lines), "piece")


class Sentence(NamedTuple):
    """Something that happened."""

    at: datetime
    text: str
    kind: str  # done, refused, back, beside, hand

    @property
    def time(self) -> SafeString | str:
        """As HTML."""
        return moment(self.at)


# --- answers


def _declined(facts: Facts, speech: Speech) -> str:
    wanted = speech.money(facts["wanted_cents"])
    if facts["code"] == "insufficient_credit":
        available = speech.money(facts.get("available_cents") or 0)
        return f"The payment was declined: the store credit of {available} does not cover {wanted}."
    if facts["code"] == "no_account":
        return "The payment was declined: the customer has no store credit."
    if facts["code"] == "card_declined":
        return "The payment was declined: the customer's bank said no to the card."
    return "The payment was declined: the shop does not take that way of paying."


def _short(facts: Facts, speech: Speech) -> str:
    short = "; ".join(
        f"{each['wanted']:,} of {speech.product(each['product_id'])} wanted,"
        f" {each['available']:,} left"
        for each in facts["short"]
    )
    return f"The stock did not suffice: {short}."


def _changed(facts: Facts, speech: Speech) -> str:
    return (
        f"The prices had changed: {'; '.join(_change(each, speech) for each in facts['changed'])}."
    )


def _change(change: Facts, speech: Speech) -> str:
    product = speech.product(change["product_id"])
    if change["current_cents"] is None:
        return f"{product} is not on sale any more"
    now, seen = speech.money(change["current_cents"]), speech.money(change["seen_cents"])
    return f"{product} costs {now} now, the customer saw {seen}"


def _told(facts: Facts, speech: Speech) -> str:
    if facts["delivery"] == "unknown":
        return "The confirmation may have reached the customer; it is not sent twice by itself."
    return "The customer was told that the order is confirmed."


def _arrived(facts: Facts, speech: Speech) -> str:
    damaged = sum(int(each["damaged"]) for each in facts["accepted"])
    found = f"{speech.pieces(facts['accepted'])} came back"
    return f"{found}, {damaged:,} of them damaged." if damaged else f"{found}."


WHY_NOT_RECEIVED = {
    "refused": "Nothing arrived that could be accepted",
    "late": "The goods did not arrive in time",
    "withdrawn": "The return was stopped before the goods arrived",
}


def _not_shipped(facts: Facts, speech: Speech) -> str:
    if why := facts.get("why"):
        return f"The carrier refused: {why}."
    return (
        f"The carrier refused: it takes at most {facts['most_pieces']:,} pieces,"
        f" the order has {facts['pieces']:,}."
    )


SENTENCES: dict[str, Callable[[Facts, Speech], str]] = {
    "OrderCreated": lambda facts, speech: (
        f"The customer ordered {speech.pieces(facts['lines'])}"
        f" for {speech.money(facts['total_cents'])}."
    ),
    "StockReserved": lambda facts, speech: (
        f"The stock set {speech.pieces(facts['lines'])} aside."
    ),
    "StockReservationFailed": _short,
    "StockReleased": lambda facts, speech: f"The stock put {speech.pieces(facts['lines'])} back.",
    "PriceFrozen": lambda facts, speech: (
        f"The prices were promised: {speech.money(facts['total_cents'])} in all."
    ),
    "PriceFreezeFailed": _changed,
    "PriceUnfrozen": lambda facts, speech: "The promised prices were taken back.",
    "FraudCleared": lambda facts, speech: (
        "A person looked at the order and cleared it."
        if facts["by_person"]
        else "Nothing speaks against the order: no fraud is suspected."
    ),
    "FraudSuspected": lambda facts, speech: "The order was not taken: fraud is suspected.",
    "FraudCheckLifted": lambda facts, speech: "The check for fraud was lifted.",
    "PaymentAuthorized": lambda facts, speech: f"{speech.money(facts['amount_cents'])} were held.",
    "PaymentDeclined": _declined,
    "PaymentRefunded": lambda facts, speech: (
        f"{speech.money(facts['amount_cents'])} were given back."
    ),
    "GiftWrapped": lambda facts, speech: (
        f"The gift was wrapped in {counted(facts['boxes'], 'box', 'boxes')}."
    ),
    "GiftWrapUnavailable": lambda facts, speech: (
        f"The gift could not be wrapped: that takes at most {facts['most_pieces']:,} pieces,"
        f" the order has {facts['pieces']:,}."
    ),
    "GiftUnwrapped": lambda facts, speech: "The gift was unwrapped.",
    "ShipmentCreated": lambda facts, speech: (
        f"A parcel was booked with {facts['carrier']}, reference {facts['reference']}."
    ),
    "ShipmentRefused": _not_shipped,
    "ShipmentCancelled": lambda facts, speech: (
        f"The booking {facts['reference']} was cancelled."
    ),
    "PaymentCaptured": lambda facts, speech: (
        f"{speech.money(facts['amount_cents'])} were taken. From here on the order only goes"
        " forward."
    ),
    "CaptureFailed": lambda facts, speech: f"The money could not be taken ({facts['code']}).",
    "OrderConfirmed": lambda facts, speech: "The order was confirmed.",
    "OrderCancelled": lambda facts, speech: "The order was cancelled.",
    "ConfirmationSent": _told,
    "CancellationBegun": lambda facts, speech: (
        "The customer wished to cancel the confirmed order: it was to be taken back."
    ),
    "CancellationRefused": lambda facts, speech: "It was not cancelled: the order stays confirmed.",
    "ShipmentRecalled": lambda facts, speech: f"The parcel {facts['reference']} was kept back.",
    "ShipmentNotRecalled": lambda facts, speech: (
        f"The parcel {facts['reference']} could not be kept back: {facts['carrier']} had it."
    ),
    "PaymentReturned": lambda facts, speech: (
        f"{speech.money(facts['amount_cents'])} were given back."
    ),
    "GiftUnpacked": lambda facts, speech: (
        "The gift was unwrapped." if facts["boxes"] else "No gift was wrapped."
    ),
    "PriceWithdrawn": lambda facts, speech: "The promised prices were taken back.",
    "StockFreed": lambda facts, speech: f"The stock put {speech.pieces(facts['lines'])} back.",
    "ConfirmedOrderCancelled": lambda facts, speech: "The order was cancelled.",
    "CancellationSent": lambda facts, speech: (
        "The customer may have been told of it; that is not sent twice by itself."
        if facts["delivery"] == "unknown"
        else "The customer was told that the order is cancelled."
    ),
    "ReturnBegun": lambda facts, speech: (
        f"The customer announced that {speech.pieces(facts['lines'])} come back,"
        f" worth {speech.money(facts['total_cents'])}."
    ),
    "ReturnRefused": lambda facts, speech: "The return was refused: the order stays as it is.",
    "GoodsReceived": _arrived,
    "GoodsNotReceived": lambda facts, speech: f"{WHY_NOT_RECEIVED[facts['code']]}.",
    "ReturnRefunded": lambda facts, speech: (
        f"{speech.money(facts['refunded_cents'])} were given back"
        + (" as store credit." if facts["refund_to"] == "credit" else " the way they were paid.")
    ),
    "GoodsRestocked": lambda facts, speech: (
        f"The stock put {speech.pieces(facts['lines'])} back."
        if facts["lines"]
        else "Nothing of it can be sold again."
    ),
    "ReturnClosed": lambda facts, speech: "The return was closed.",
    "ReturnNoticeSent": lambda facts, speech: (
        "The customer may have been told of it; that is not sent twice by itself."
        if facts["delivery"] == "unknown"
        else "The customer was told what is given back."
    ),
    "UndoneByHand": lambda facts, speech: (
        f"A person undid it outside; the evidence: {facts['evidence']}."
    ),
}  # fmt: skip


def told(type_name: str, facts: Facts, speech: Speech) -> str:
    """The sentence of an answer; empty where there is none for it, or not for these facts."""
    write = SENTENCES.get(type_name)
    try:
        return write(facts, speech) if write else ""
    except (KeyError, TypeError, ValueError):  # of another version of the message
        return ""


def answered(line: SagaStep, speech: Speech) -> Sentence:
    """What an answer says."""
    outcome = Outcome(line.outcome)
    if outcome is Outcome.NOTHING_TO_UNDO:
        text = f"Of “{words(line.step)}” there was nothing to undo."
    elif outcome is Outcome.FENCED:
        text = f"“{words(line.step)}” has not happened, and never will."
    elif outcome is Outcome.HAPPENED:
        text = f"It was found that “{words(line.step)}” had happened."
    else:
        known = told(line.answer_type, line.answer, speech)
        text = known or f"“{words(line.step)}” was {words(line.outcome)}."
    return Sentence(line.answered_at, text, KINDS[OF_OUTCOMES[outcome]])


KINDS = {
    Standing.DONE: "done",
    Standing.REFUSED: "refused",
    Standing.UNDONE: "back",
    Standing.NOTHING_TO_UNDO: "back",
    Standing.NEVER: "back",
}


# --- what happened beside


def beside(event: SagaEvent) -> Sentence:
    """What an event of the saga says."""
    who = WHO.get(event.step, f"“{words(event.step)}”")
    write = BESIDE.get(event.kind)
    text = write(who, event.text) if write else f"{words(event.kind)}: {event.text}".rstrip(": ")
    return Sentence(event.at, text[:1].upper() + text[1:], "beside")


BESIDE: dict[str, Callable[[str, str], str]] = {
    "sent_again": lambda who, text: f"No answer from {who}: it was asked again ({text.lower()}).",
    "waits": lambda who, text: f"{who} needs more time: {text}.",
    "turned_back": lambda who, text: f"The order was turned back: {text}.",
    "stuck": lambda who, text: f"{who} does not answer ({text.lower()}): a person should look.",
    "undo_refused": lambda who, text: f"{who} will not undo it: {text}. A person should look.",
    "decision_awaited": lambda who, text: f"{text}. A person decides whether it is tried again.",
    "skipped": lambda who, text: "The order went on without it.",
    "fencing": lambda who, text: (
        f"{who} is asked whether it happened, and to see that it will not."
    ),
    "fence_first": lambda who, text: (
        f"Before anything is undone {who} is asked whether it happened, and to see that it will "
        f"not: {text}."
    ),
    "taken_over": lambda who, text: (
        "The engine took the order over" + (f": {text}." if text else ".")
    ),
    "cancel_wished": lambda who, text: f"The customer wished to cancel: {text}.",
    "paused": lambda who, text: "The order was paused.",
    "resumed": lambda who, text: "The order was resumed.",
    "retried": lambda who, text: f"{who} was asked anew.",
    "outcome_recorded": lambda who, text: "A person recorded what had happened outside.",
    "record_refused": lambda who, text: f"{who} did not take what a person recorded: {text}.",
}


def by_hand(move: OperatorAction, part: str) -> Sentence:
    """What a person did; see done_by_hand."""
    did = (move.actor, move.operation, move.step, move.why, move.outcome)
    return done_by_hand(move.at, *did, part)


def done_by_hand(
    at: datetime, actor: str, operation: str, step: str, reason: str, outcome: str, part: str
) -> Sentence:
    """What a person did, and why; to which part of the order, where not to the order itself."""
    of = f" of “{words(step)}”" if step else ""
    to = f", of the {part}" if part else ""
    return Sentence(at, f"{actor}: {words(operation)}{of}{to}. {reason} ({outcome})", "hand")


# --- what turned it back


def cause_of(saga: Saga, speech: Speech) -> str:
    """Why the order is not, or will not be, confirmed."""
    if known := told(saga.cause_type, saga.cause or {}, speech):
        return known
    who = WHO.get(saga.cause_step, f"“{words(saga.cause_step)}”")
    write = CAUSES.get(saga.cause_type)
    return write(who, saga.cause_reason) if write else f"{_sentence(saga.cause_reason)}"


CAUSES: dict[str, Callable[[str, str], str]] = {
    "NoAnswer": lambda who, reason: f"There was no answer from {who}.",
    "DeadlinePassed": lambda who, reason: f"The order took too long, waiting for {who}.",
    "CancelWished": lambda who, reason: f"The customer wished to cancel: {_sentence(reason)}",
    "TurnedBack": lambda who, reason: f"It was turned back by hand: {_sentence(reason)}",
}


def undone_of(history: History, speech: Speech) -> str:
    """What was given back and put back, in a few words; empty where there was nothing to give."""
    found = [line for line in history.answers if line.outcome == Outcome.UNDONE]
    pieces = sum(
        int(each.get("quantity", 0)) for line in found for each in line.answer.get("lines", ())
    )
    cents = sum(int(line.answer.get("amount_cents", 0)) for line in found)
    parts = [f"{counted(pieces, 'piece')} put back"] * bool(pieces)
    parts += [f"{speech.money(cents)} given back"] * bool(cents)
    return ", ".join(parts)


# --- where it stands, and what is next


def verdict(history: History, speech: Speech) -> str:
    """The whole of it in a sentence or two."""
    saga = history.saga
    if saga.status == Status.CONFIRMED:
        return f"The order is confirmed: {_taken(history, speech)}."
    if not history.turned_back:
        return needed(history) or "The order is under way."
    back = undone_of(history, speech)
    if saga.status == Status.UNDONE:
        nothing = "Nothing had been set aside or held, so there was nothing to give back."
        return f"{cause_of(saga, speech)} {f'Everything was undone: {back}.' if back else nothing}"
    told = f"{cause_of(saga, speech)} It is being undone{f': {back} so far' if back else ''}."
    return f"{told} {needed(history)}".rstrip()


def needed(history: History) -> str:
    """What a person is needed for; empty where it goes on by itself."""
    step = str(history.saga.pending_step)
    if history.saga.status == Status.AWAITING_DECISION:
        return f"A person has to decide whether “{words(step)}” is tried again."
    if not history.stuck_forward:
        return "A person has to settle what stands on the desk." if history.desk else ""
    if history.saga.pending_action == Action.FENCE:
        return f"A person has to look: nobody can tell whether “{words(step)}” has happened."
    what = DOING.get(step, f"“{words(step)}”")
    return f"A person has to look: it waits for {what}, which fails again and again."


def _taken(history: History, speech: Speech) -> str:
    """What was taken, and for what, in a few words."""
    done = {line.answer_type: line.answer for line in history.answers}
    cents = done.get("PaymentCaptured", {}).get("amount_cents", 0)
    pieces = speech.pieces(done.get("StockReserved", {}).get("lines", ()))
    return f"{speech.money(cents)} taken for {pieces}"


def next_of(history: History) -> Iterator[str]:
    """What happens next, and what if it does not; times are HTML, all else is escaped."""
    saga = history.saga
    if saga.paused_until:
        until = moment(saga.paused_until)
        yield format_html("It is paused until {}: nothing is asked before.", until)
    for step, asked in history.desk.items():
        how = "refused for good" if asked.refused else f"asked {counted(asked.attempt, 'time')}"
        yield f"On the desk, for a person to settle: {_undoing(step)} ({how})."
    if saga.status == Status.AWAITING_DECISION:
        until = moment(saga.due_at)
        yield format_html("A person decides until {}; then everything is undone.", until)
    elif saga.pending_action == Action.FENCE:
        yield f"It is found out whether “{words(str(saga.pending_step))}” has happened."
    elif saga.pending_step:
        yield _waited_for(history, saga.pending_step)
        yield from _after(history, saga.pending_step)


def _waited_for(history: History, step: str) -> SafeString:
    saga = history.saga
    undoing = saga.pending_action == Action.UNDO
    what = _undoing(step) if undoing else DOING.get(step, f"“{words(step)}”")
    times = f", asked {counted(saga.attempt, 'time')}" if saga.attempt else ""
    if saga.due_at is None or saga.paused_until:
        return format_html("It waits for {}{}.", what, times)
    return format_html("It waits for {}{}, again at {}.", what, times, moment(saga.due_at))


def _after(history: History, step: str) -> Iterator[str]:
    """What follows, or what if no answer comes."""
    saga, leg = history.saga, history.legs.get(step)
    if saga.pending_action == Action.UNDO:
        if left := ", then for ".join(map(_undoing, _still_to_undo(history, step))):
            yield f"After that it waits for {left}."
    elif leg and leg.step.kind is Kind.COMPENSATABLE:
        most, last = leg.step.patience.attempts, moment(saga.deadline_at)
        said = "If no answer comes after asking {} times, or by {}, everything is undone."
        yield format_html(said, most, last)
    elif leg and leg.step.kind is Kind.PIVOT:
        yield AT_PIVOT.get(step, UNKNOWN_YET)
    elif leg:
        yield BEHIND_PIVOT.get(saga.process, GOES_FORWARD)


UNKNOWN_YET = "The money may be taken already: nothing is undone before that is known."
GOES_FORWARD = "The money is taken, so the order goes forward: it is asked until it is done."
AT_PIVOT = {
    "receive_goods": "Nothing is given back before they are here; what does not come in time is"
    " refused by itself.",
}
BEHIND_PIVOT = {
    "return_order": "The goods are here, so the return goes forward: it is asked until it is done.",
}


def _still_to_undo(history: History, step: str) -> list[str]:
    before = history.steps[: history.steps.index(step)]
    return [
        each
        for each in reversed(before)
        if (each, Action.UNDO) not in history.told
        and each not in history.desk
        and each not in history.detours.skipped
    ]


def _undoing(step: str) -> str:
    return UNDOING.get(step, f"“{words(step)}” to be undone")


def _sentence(text: str) -> str:
    """With one full stop at its end."""
    return f"{text.rstrip('.')}."
