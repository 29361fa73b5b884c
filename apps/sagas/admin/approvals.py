"""Four eyes in the admin: what one person asks for, and another one decides."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.messaging.admin import ReadOnlyAdmin
from apps.messaging.admin.acting import Act, Acting, Foreseen, Given, Outcome, Part
from apps.messaging.admin.filters import KnownFilter
from apps.messaging.display import label, link, moment, with_evidence, words
from apps.sagas.admin.desk import acted
from apps.sagas.admin.operating import observed, parts_of, plain
from apps.sagas.admin.standing import Standing, StandingFilter
from apps.sagas.approvals import (
    OPERATIONS,
    approve_request,
    decline_request,
    move_of,
    position_of,
    withdraw_request,
)
from apps.sagas.errors import REFUSALS
from apps.sagas.models import Approval, ApprovalStatus
from apps.sagas.preview import Looked, look

COLOURS = {
    "open": "info", "approved": "success", "declined": "danger", "withdrawn": "warning",
    "lapsed": "warning", "expired": "warning",
}  # fmt: skip


class Subject(NamedTuple):
    """A request, its saga as it is now, and who looks at it."""

    row: Approval
    seen: Looked
    user: Any


class OpenFilter(StandingFilter):
    def is_open(self) -> Q:
        return Q(status=ApprovalStatus.OPEN, expires_at__gt=timezone.now())


class MoveFilter(KnownFilter):
    title = "operation"
    parameter_name = "operation"

    def known(self, context_name: str) -> Iterable[str]:
        return sorted(OPERATIONS)


def standing(request: Approval) -> str:
    """Where a request is; an open one whose time is over has expired."""
    expired = request.status == ApprovalStatus.OPEN and request.expires_at <= timezone.now()
    return "expired" if expired else request.status


# --- what would follow


def settled(request: Approval) -> str:
    """Why nothing can be done to it any more."""
    now = standing(request)
    if now == "expired":
        return "Its 24 hours are over. What is still wanted has to be asked for anew."
    by = f" by {request.decided_by}" if request.decided_by else ""
    return "" if now == ApprovalStatus.OPEN else f"It was {now}{by} already."


def not_by(subject: Subject) -> str:
    """Why this person cannot decide it."""
    own = subject.row.requester_id == subject.user.pk
    return "You asked for this yourself: another person has to decide it." if own else ""


def foresee_approve(subject: Subject, choice: str) -> Foreseen:
    """What was asked for, on the saga as it is now."""
    asked, seen = subject.row, subject.seen
    found = seen.foresee(move_of(asked.operation, asked.parameters, asked.reason))
    moved = "" if position_of(seen.state) == asked.position else MOVED
    why_not = settled(asked) or not_by(subject) or moved or plain(found.why_not)
    parts = [asked_for(asked), *parts_of(found)]
    return Foreseen(seen.version, why_not=why_not, parts=parts)


MOVED = (
    "The saga has moved since this was asked for, so it does not fit any more. Decline it; what is "
    "still wanted can be asked for anew."
)


def foresee_decline(subject: Subject, choice: str) -> Foreseen:
    why_not = settled(subject.row) or not_by(subject)
    parts = [asked_for(subject.row), Part("What follows", ["Nothing is done to the saga."])]
    return Foreseen(subject.seen.version, why_not=why_not, parts=parts)


def foresee_withdraw(subject: Subject, choice: str) -> Foreseen:
    asked = subject.row
    others = "" if asked.requester_id == subject.user.pk else OTHERS.format(asked.requester)
    parts = [asked_for(asked), Part("What follows", ["Nothing is done to the saga."])]
    return Foreseen(subject.seen.version, why_not=settled(asked) or others, parts=parts)


OTHERS = "Only {}, who asked for it, withdraws it."


def asked_for(asked: Approval) -> Part:
    """Who asked for what, when and why."""
    further = [
        f"{words(name)}: {value}" for name, value in asked.parameters.items() if name != "step"
    ]
    saga = format_html("saga {}", link("sagas_saga", asked.saga_id, asked.saga_id))
    by = format_html("by {} at {}: {}", asked.requester, moment(asked.requested_at), asked.reason)
    return Part("Asked for", [str(asked), *further, saga, by])


# --- the deeds


def approve(subject: Subject, given: Given) -> Outcome:
    approve_request(
        approval_id=subject.row.id, version=given.version, actor=given.actor, reason=given.reason
    )
    told = observed(subject.row.saga_id)
    saga = link("sagas_saga", subject.row.saga_id, "Follow it")
    return Outcome(format_html("{} {}.", told.text, saga))


def close(service: Callable[..., None], text: str, subject: Subject, given: Given) -> Outcome:
    service(approval_id=subject.row.id, actor=given.actor, reason=given.reason)
    return Outcome(text)


ACTS = (
    Act(
        name="approve", label="Approve", icon="done_all", permission="decide_approval",
        sentence="Allows what another person asked for, and carries it out now.",
        steps_up=True, dangerous=True, preview=foresee_approve, carry_out=approve,
    ),
    Act(
        name="decline", label="Decline", icon="block", permission="decide_approval",
        sentence="Says no to what another person asked for.", steps_up=True,
        preview=foresee_decline, carry_out=partial(close, decline_request, "Done. It is declined."),
    ),
    Act(
        name="withdraw", label="Withdraw", icon="undo", permission="view_approval",
        sentence="Takes back what you asked for yourself.",
        preview=foresee_withdraw,
        carry_out=partial(close, withdraw_request, "Done. It is withdrawn."),
    ),
)  # fmt: skip


class ApprovalAdmin(Standing, Acting, ReadOnlyAdmin):
    """What waits for another person, and what became of the rest."""

    acts = ACTS
    when_empty = "Nothing waits for a second person."
    refusals = REFUSALS
    change_form_outer_after_template = "admin/sagas/case/history.html"
    list_display = (
        "requested_at", "order", "stands", "wanted", "money_cents", "requester", "why",
        "expires_at", "decided_by",
    )  # fmt: skip
    list_filter = (OpenFilter, MoveFilter)
    search_fields = ("=saga_id", "=requester")
    search_help_text = "Saga id or requester, in full"
    fields = (
        ("stands", "money_cents"),
        ("wanted", "version"),
        ("requester", "requested_at"),
        "why",
        "parameters",
        ("order", "saga_id"),
        ("expires_at", "decided_at"),
        ("decided_by", "why_so"),
    )

    @display(description="stands")
    def stands(self, request: Approval) -> str:
        now = standing(request)
        return label(now, COLOURS[now])

    @display(description="wanted")
    def wanted(self, request: Approval) -> str:
        return str(request)

    @display(description="reason")
    def why(self, request: Approval) -> SafeString:
        text = with_evidence(request.reason, request.parameters.get("evidence"))
        return format_html('<div class="lg:min-w-56">{}</div>', text)

    @display(description="their reason")
    def why_so(self, request: Approval) -> str:
        return request.decision or "-"

    def subject_of(self, request: HttpRequest, key: str) -> Subject | None:
        asked = super().subject_of(request, key)
        return Subject(asked, look(asked.saga_id), request.user) if asked else None

    def row_of(self, subject: Subject) -> Approval:
        return subject.row

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With what people did about it."""
        asked = self.get_object(request, object_id) if self.has_view_permission(request) else None
        context = {**(extra_context or {})}
        if asked:
            context["acted"] = acted(Q(subject_id=asked.id))
        return super().change_view(request, object_id, form_url, context)
