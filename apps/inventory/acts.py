"""What people can do at the desk for returns in the admin, as data. Each calls the one service."""

from collections.abc import Iterator
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from apps.contracts.values import AcceptedLine
from apps.inventory.models import Arrival, ArrivalStatus
from apps.inventory.receiving import record_arrival
from apps.messaging.admin.acting import Act, ActForm, Foreseen, Given, Outcome, Part

GOES_ON = (
    "What is accepted is paid back at once, at the price that was paid. What of it is not damaged"
    " is put on the shelf again. That cannot be taken back."
)
TURNS_BACK = (
    "Nothing is paid back. The customer reads why with the return; no mail is sent. They can"
    " announce the goods anew while the time for returns lasts."
)


class ReceiptForm(ActForm):
    """For each line how many pieces are accepted, and how many of these are damaged."""

    def __init__(self, *args: Any, subject: Arrival, **others: Any) -> None:
        super().__init__(*args, subject=subject, **others)
        self.fields.update(_fields(subject))
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])


def _fields(arrival: Arrival) -> Iterator[tuple[str, forms.IntegerField]]:
    for number, line in enumerate(arrival.expected):
        product, most = line["product_id"], line["quantity"]
        for name, label, initial in (
            ("accepted", f"Accepted of {product}", most),
            ("damaged", f"Of these damaged, {product}", 0),
        ):
            yield (
                f"{name}_{number}",
                forms.IntegerField(
                    label=label, min_value=0, max_value=most, initial=initial,
                    help_text=f"{most} announced", widget=UnfoldAdminIntegerFieldWidget(),
                ),
            )  # fmt: skip


def accepted_in(arrival: Arrival, fields: Any) -> tuple[AcceptedLine, ...]:
    """The lines that the form's fields say."""
    return tuple(
        AcceptedLine(
            product_id=line["product_id"],
            quantity=fields[f"accepted_{number}"],
            damaged=fields[f"damaged_{number}"],
        )
        for number, line in enumerate(arrival.expected)
    )


def foresee(arrival: Arrival, choice: str) -> Foreseen:
    """What would follow from goods that arrive."""
    return _foreseen(arrival, GOES_ON)


def foresee_nothing(arrival: Arrival, choice: str) -> Foreseen:
    """What would follow if nothing arrives."""
    return _foreseen(arrival, TURNS_BACK)


def _foreseen(arrival: Arrival, consequence: str) -> Foreseen:
    if arrival.status != ArrivalStatus.EXPECTED:
        return Foreseen(arrival.version, why_not=closed(arrival))
    parts = [
        Part("What is expected", announced(arrival)),
        Part("What happens", [consequence]),
    ]
    return Foreseen(arrival.version, parts=parts)


def announced(arrival: Arrival) -> list[str]:
    """The lines of a return, in words."""
    return [f"{line['quantity']} x {line['product_id']}" for line in arrival.expected]


def closed(arrival: Arrival) -> str:
    """Why nothing is to be said any more."""
    if arrival.status == ArrivalStatus.LATE:
        return "It did not arrive in time: the return is refused. It can be announced anew."
    if arrival.status == ArrivalStatus.WITHDRAWN:
        return "Nobody waits for it any more: the return was settled without it."
    return f"{arrival.decided_by} has said already what arrived: it is {arrival.status}."


def receive(arrival: Arrival, given: Given) -> Outcome:
    """Carry it out."""
    return _record(arrival, given, accepted_in(arrival, given.fields))


def refuse(arrival: Arrival, given: Given) -> Outcome:
    """Carry it out."""
    return _record(arrival, given, ())


def _record(arrival: Arrival, given: Given, accepted: tuple[AcceptedLine, ...]) -> Outcome:
    status = record_arrival(
        arrival_id=arrival.pk,
        accepted=accepted,
        version=given.version,
        actor=given.actor,
        reason=given.reason,
    )
    return Outcome(f"The return is {status}. Its saga goes on within seconds.")


RECEIVE = Act(
    name="receive",
    label="Receive",
    sentence="Says what has arrived: so much is paid back.",
    icon="inventory",
    permission="receive_arrival",
    steps_up=True,
    preview=foresee,
    carry_out=receive,
    form=ReceiptForm,
)
REFUSE = Act(
    name="refuse",
    label="Refuse",
    sentence="Nothing has arrived, or nothing of it can be accepted.",
    icon="block",
    permission="receive_arrival",
    steps_up=True,
    preview=foresee_nothing,
    carry_out=refuse,
    dangerous=True,
)
