"""Doing things to a saga: an act for each move, with its consequences from the preview."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.contracts.catalogue import Action
from apps.messaging.admin.acting import (
    Act,
    ActForm,
    Acting,
    Buttons,
    Choice,
    Foreseen,
    Given,
    Outcome,
    Part,
    button_of,
)
from apps.messaging.display import clock, link, moment, money, words
from apps.sagas import operations
from apps.sagas.approvals import OPERATIONS, act_or_ask, needs_approval, position_of
from apps.sagas.errors import REFUSALS
from apps.sagas.models import Approval, ApprovalStatus, OperatorAction, Saga
from apps.sagas.preview import Looked, Preview, Undoing, look
from apps.sagas.selectors import stands_at, timeline_of
from apps.sagas.state import (
    Compensate,
    Move,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    Retry,
    Skip,
    Substitute,
)

NAME_OF_CODE = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
PAUSES = {
    "30 minutes": timedelta(minutes=30),
    "1 hour": timedelta(hours=1),
    "4 hours": timedelta(hours=4),
    "12 hours": timedelta(hours=12),
    "1 day": timedelta(days=1),
    "3 days": timedelta(days=3),
    "6 days": timedelta(days=6),
}


class Subject(NamedTuple):
    """A saga as a person sees it."""

    row: Saga
    seen: Looked
    requests: Sequence[Approval]  # that can be approved now


# --- forms


class PauseForm(ActForm):
    """For how long."""

    lasts = forms.ChoiceField(
        label="For",
        choices=[(each, each) for each in PAUSES],
        initial="1 hour",
        widget=UnfoldAdminSelectWidget,
    )


class EvidenceForm(ActForm):
    """How it can be proven."""

    evidence = forms.CharField(
        help_text="How it can be proven: a reference of the bank, the number of a ticket.",
        widget=UnfoldAdminTextInputWidget,
    )


# --- what there is to choose


def nothing(subject: Subject) -> list[Choice]:
    return []


def on_desk(subject: Subject) -> list[Choice]:
    """The undoings that stand on the desk."""
    desk = subject.seen.state.detours.desk
    return [Choice(each.step, f"undoing {words(each.step)}") for each in desk]


def pending(subject: Subject) -> list[Choice]:
    """The step that it waits for."""
    request = subject.seen.state.pending
    if request is None:
        return []
    undoing = "undoing " if request.action is Action.UNDO else ""
    return [Choice(request.step, f"{undoing}{words(request.step)}")]


def asked(subject: Subject) -> list[Choice]:
    """All that a service is asked for."""
    return [*pending(subject), *on_desk(subject)]


def other_ways(subject: Subject) -> list[Choice]:
    """The undoings on the desk, and what may replace each."""
    return [
        Choice(f"{each.step}/{by.__name__}", f"undoing {words(each.step)} by {by.__name__}")
        for each in subject.seen.state.detours.desk
        for by in subject.seen.course.legs[each.step].step.substitutes
    ]


# --- what would follow


def foresee(
    operation: str, move: Callable[[str], Move], impossible: str, subject: Subject, choice: str
) -> Foreseen:
    """The consequences of a move. `impossible` says why where there is nothing to choose."""
    if impossible and not choice:
        return Foreseen(subject.seen.version, why_not=impossible)
    found = subject.seen.foresee(move(choice))
    asks = operation in OPERATIONS and needs_approval(found)
    return Foreseen(
        version=found.version,
        why_not=plain(found.why_not) or (asks and stands_already(subject, operation, choice)) or "",
        parts=parts_of(found),
        remark=ASKS.format(money(found.money_cents, found.currency)) if asks else "",
        button="Ask for approval" if asks else "",
        steps_up=found.moves_money,
    )


ASKS = (
    "This gives back {}, more than one person may. It is written down as a request, and carried out"
    " when another person approves it within 24 hours, if the saga has not moved."
)


def stands_already(subject: Subject, operation: str, choice: str) -> str:
    """Who has asked for this already."""
    step = choice.partition("/")[0]
    for each in subject.requests:
        if (each.operation, each.step) == (operation, step):
            return f"{each.requester} has asked for this; it waits for another person's approval."
    return ""


def foresee_resume(subject: Subject, choice: str) -> Foreseen:
    """Past its deadline it turns back instead."""
    late = subject.row.deadline_at is not None and subject.row.deadline_at <= timezone.now()
    return foresee("resume", lambda _: Resume(past_deadline=late), "", subject, choice)


def foresee_pause(subject: Subject, choice: str) -> Foreseen:
    """Nothing goes out, and time goes on."""
    found = subject.seen.foresee(Pause())
    deadline = moment(subject.row.deadline_at) or "-"
    follows = ["Answers are taken, and nothing is sent until then.", "It goes on by itself then."]
    late = format_html("Its deadline runs on: {}.", deadline)
    stays = [plain(each) for each in found.cannot_be_undone]
    parts = [Part("What follows", [*follows, late]), Part("Cannot be undone", stays)]
    return Foreseen(found.version, why_not=plain(found.why_not), parts=parts)


def parts_of(found: Preview) -> list[Part]:
    """A preview for people."""
    condition = ", if the pivot has not happened" if found.only_if_fenced else ""
    return [
        Part("Sent at once", found.asked_now),
        Part(
            f"Undone in this order{condition}",
            [undoing(each, found.currency) for each in found.undone],
            in_order=True,
        ),
        Part("In all", in_all(found)),
        Part(
            "If it is taken, only forward",
            [words(each) for each in found.follows],
            in_order=True,
        ),
        Part("The customer reads", [plain(each) for each in found.customer_is_told]),
        Part("Cannot be undone", [plain(each) for each in found.cannot_be_undone]),
    ]


def undoing(each: Undoing, currency: str) -> str:
    """A step that would be undone, and what it had done."""
    facts = [
        f"by {each.by}" if each.by else "",
        f"{'up to ' * each.at_most}{money(each.money_cents, currency)} given back"
        if each.money_cents
        else "",
        f"{each.pieces} pieces put back" if each.pieces else "",
        each.told.removeprefix("that "),
        "" if each.known else "not known to have happened",
    ]
    told = ", ".join(filter(None, facts))
    return f"{words(each.step)}: {told}" if told else words(each.step)


def in_all(found: Preview) -> list[str]:
    """Money and pieces."""
    if not found.undone:
        return []
    at_most = "up to " if any(each.at_most and each.money_cents for each in found.undone) else ""
    back = f"{at_most}{money(found.money_cents, found.currency)} given back"
    return [f"{back}, {found.pieces} pieces put back"]


def plain(text: str) -> str:
    """Without names of the code: create_shipment is create shipment."""
    return NAME_OF_CODE.sub(lambda found: words(found[0]), text)


# --- the deeds


def do(service: Callable[..., int], subject: Subject, given: Given, **parameters: Any) -> Outcome:
    """Carry out what needs nobody else."""
    service(
        saga_id=subject.row.saga_id,
        version=given.version,
        actor=given.actor,
        reason=given.reason,
        **parameters,
    )
    return observed(subject.row.saga_id)


def retry(subject: Subject, given: Given) -> Outcome:
    return do(operations.retry_step, subject, given, step=given.choice)


def pause(subject: Subject, given: Given) -> Outcome:
    until = timezone.now() + PAUSES[given.fields["lasts"]]
    return do(operations.pause_saga, subject, given, until=until)


def resume(subject: Subject, given: Given) -> Outcome:
    return do(operations.resume_saga, subject, given)


def do_or_ask(operation: str, subject: Subject, given: Given) -> Outcome:
    """Carry out what moves money; above the limit it is only asked for."""
    saga_id = subject.row.saga_id
    written = act_or_ask(
        operation=operation,
        saga_id=saga_id,
        parameters=parameters_of(operation, given),
        version=given.version,
        actor=given.actor,
        reason=given.reason,
    )
    if written is None:
        return observed(saga_id)
    text = "Nothing is done yet: another person has to approve it by {}. See {}."
    request = link("sagas_approval", written.id, "the request")
    return Outcome(format_html(text, moment(written.expires_at), request), done=False)


def parameters_of(operation: str, given: Given) -> dict[str, str]:
    """What an operation takes beside the saga, as its service names it."""
    if operation == "compensate":
        return {}
    step, _, command = given.choice.partition("/")
    further = {"command": command} if operation == "substitute" else given.fields
    return {"step": step, **further}


def observed(saga_id: UUID) -> Outcome:
    """Where the saga is after a move, read anew."""
    return Outcome(f"Done. {plain(stands_at(saga_id))}")


# --- all that can be done


def guarded(  # what moves money or gives something up
    operation: str,
    move: Callable[[str], Move],
    impossible: str = "",
    **others: Any,
) -> Act:
    return Act(
        name=operation,
        permission=f"{operation}_saga",
        steps_up=True,
        dangerous=True,
        preview=partial(foresee, operation, move, impossible),
        carry_out=partial(do_or_ask, operation),
        **others,
    )


def substitution(choice: str) -> Substitute:
    step, _, command = choice.partition("/")
    return Substitute(step, command)


NOT_STUCK = "No undoing stands on the desk, so there is none to settle."
NO_OTHER_WAY = "No undoing stands on the desk that could be done in another way."

ACTS = (
    Act(
        name="retry", label="Retry", icon="replay", permission="retry_saga",
        sentence="Asks a service again now; after a definite no under a new number.",
        preview=partial(foresee, "retry", Retry, ""), carry_out=retry, choices=asked,
    ),
    guarded(
        "compensate", lambda _: Compensate(""),
        label="Compensate", icon="undo",
        sentence="Turns the saga back: all that was done is undone, the last first.",
    ),
    guarded(
        "skip", Skip, choices=pending,
        label="Skip", icon="skip_next",
        sentence="Undoes the step that it waits for and goes on without it.",
    ),
    Act(
        name="pause", label="Pause", icon="pause", permission="pause_saga",
        sentence="Sends nothing for this saga for a while.",
        preview=foresee_pause, carry_out=pause, form=PauseForm,
    ),
    Act(
        name="resume", label="Resume", icon="play_arrow", permission="pause_saga",
        sentence="Ends a pause and sends what was held back.",
        preview=foresee_resume, carry_out=resume,
    ),
    guarded(
        "resolve", lambda choice: Resolve(choice, ""), NOT_STUCK, choices=on_desk,
        form=EvidenceForm, label="Resolve", icon="task_alt",
        sentence="Settles a stuck undoing that was made by hand, outside, and can be proven.",
    ),
    guarded(
        "substitute", substitution, NO_OTHER_WAY, choices=other_ways,
        label="Substitute", icon="swap_horiz",
        sentence="Undoes a stuck step in another way that its definition allows.",
    ),
    guarded(
        "record", lambda choice: RecordOutcome(choice, ""), choices=pending,
        form=EvidenceForm, label="Record", icon="edit_note",
        sentence="Records that a stuck step did happen outside, and can be proven.",
    ),
)  # fmt: skip


class SagaOperating(Acting):
    """Mixin of the saga's admin: what people do to a saga."""

    acts = ACTS
    refusals = REFUSALS

    def subject_of(self, request: HttpRequest, key: str) -> Subject | None:
        saga = super().subject_of(request, key)
        if saga is None:
            return None
        seen = look(saga.saga_id)
        return Subject(saga, seen, open_requests(seen))

    def row_of(self, subject: Subject) -> Saga:
        return subject.row

    def beside(self, request: HttpRequest, saga: Saga) -> dict[str, Any]:
        """The bar of buttons, which follows the saga."""
        return {"buttons": self.buttons_for(request, str(saga.saga_id))}

    def changes_since(self, subject: Subject, version: int) -> list[object]:
        """What the services answered and what people did."""
        saga_id = subject.row.saga_id
        told = [
            (each.at, f"{words(each.what)} {words(each.step)}", each.text)
            for each in timeline_of(saga_id)
            if each.revision > version
        ]
        moved = OperatorAction.objects.filter(subject_id=saga_id, version=version)
        moves = [(each.at, str(each), f"{each.why}: {each.outcome}") for each in moved]
        lines = sorted([*told, *moves], key=lambda line: line[0])
        return [format_html("{} {} {}", clock(at), what, text) for at, what, text in lines]


def open_requests(seen: Looked) -> list[Approval]:
    """What is asked for of a saga and can be approved as it stands."""
    found = Approval.objects.filter(
        saga_id=seen.state.saga_id,
        status=ApprovalStatus.OPEN,
        expires_at__gt=timezone.now(),
        position=position_of(seen.state),
    )
    return list(found)


def exits(request: HttpRequest, saga_id: UUID, step: str) -> Buttons:
    """The buttons of a saga that lead out of a case about that step."""
    pages = admin.site.get_model_admin(Saga)
    assert isinstance(pages, SagaOperating)
    try:
        subject = pages.subject_of(request, str(saga_id))
    except pages.refusals:  # nothing can be foreseen of it
        subject = None
    if subject is None:
        return Buttons()
    return Buttons(
        button_of(pages.address_of(subject, act.name), act, subject, _about(act, subject, step))
        for act in ACTS
        if act.name in ("retry", "resolve", "substitute", "record", "compensate")
        and pages.may_act(request, act)
    )


def _about(act: Act, subject: Subject, step: str) -> str:
    """The choice that is about that step, if there is but one."""
    keys = [each.key for each in act.choices(subject) if each.key.partition("/")[0] == step]
    return keys[0] if len(keys) == 1 else ""
