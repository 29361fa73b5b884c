"""Parked messages by how they failed: a fault is repaired once, and its messages sent again."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import django.db
import psycopg
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminRadioSelectWidget
from uuid_utils.compat import uuid7

from apps.contracts.topics import MOVE_MONEY
from apps.messaging import dead_letter_operations as operations
from apps.messaging.admin.acting import ActForm, given_by, in_words
from apps.messaging.admin.letter_acts import letter_link
from apps.messaging.admin.letter_listing import STATUS, visible_contexts
from apps.messaging.admin.letter_page import (
    NO_FINGERPRINT,
    WORDS,
    Table,
    following,
    group_link,
    is_known,
)  # fmt: skip
from apps.messaging.admin.letter_words import aged, ago, gist
from apps.messaging.admin.read_only import ReadOnlyAdmin
from apps.messaging.admin.step_up import confirm_address, confirmed_lately
from apps.messaging.database import Database
from apps.messaging.dead_letter_history import Sent, counted, id_of, sent_of_group
from apps.messaging.dead_letter_previews import GroupPreview
from apps.messaging.dead_letter_rows import Group, count_alike, groups
from apps.messaging.display import in_one_line, label, link, short, words
from apps.messaging.errors import NothingAlike

MOST_AT_ONCE = 500  # each is a transaction of its own, while somebody waits for the page
MOST_SHOWN = 10  # of those that are sent first
MOST_SENT_SHOWN = 100
REMEMBERED = timedelta(hours=24)  # how far back the page looks for what was sent
ALL = "all"


class GroupForm(ActForm):
    """How many: one first, and a look at what comes of it."""

    limit = forms.ChoiceField(
        label="How many",
        widget=UnfoldAdminRadioSelectWidget,
        help_text="Those that were replayed least come first: send one, look at what comes of it,"
        " then ten, then the rest.",
    )

    def __init__(self, *args: Any, subject: int, **others: Any) -> None:
        super().__init__(*args, subject=subject, **others)
        most = min(subject, MOST_AT_ONCE)
        rest = f"all {subject}" if most == subject else f"{most}, the most at once"
        choices = [("1", "one"), ("10", "ten"), (ALL, rest)]
        limit: Any = self.fields["limit"]
        limit.choices = [each for each in choices if each[0] in (ALL, "1") or subject > 10]

    def clean_limit(self) -> int:
        given = self.cleaned_data["limit"]
        return MOST_AT_ONCE if given == ALL else int(given)


class LetterGroups(ReadOnlyAdmin):
    """The page of a context's groups, and one of each group."""

    @property
    def context_name(self) -> str:
        """The context that registers it: its app, its database, the name in its topics."""
        return self.model._meta.app_label

    def get_urls(self) -> list[URLPattern]:
        named = f"{self.context_name}_deadletter"
        wrap = self.admin_site.admin_view
        return [
            path("groups/", wrap(self.groups_view), name=f"{named}_groups"),
            path("groups/<str:fingerprint>/", wrap(self.group_view), name=f"{named}_group"),
            *super().get_urls(),
        ]

    # --- all groups

    def groups_view(self, request: HttpRequest) -> HttpResponse:
        """The groups of this context, or of all that somebody may look at."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        everywhere = "everywhere" in request.GET
        names = visible_contexts(request) if everywhere else [self.context_name]
        context = {
            **self._page(request, "Failed alike"),
            "everywhere": everywhere,
            "context_name": self.context_name,
            "found": [(name, *groups_table(name)) for name in names],
        }
        return TemplateResponse(request, "admin/dead_letters/groups.html", context)

    # --- one group

    def group_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """What failed alike, what was sent of it, and the form that sends more."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        fingerprint = "" if fingerprint == NO_FINGERPRINT else fingerprint
        if request.method == "POST":
            return self._replay_group(request, fingerprint)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        return self._show_group(request, fingerprint)

    def may_replay(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.context_name}.replay_deadletter")

    def to_confirm(self, request: HttpRequest) -> bool:
        """Whether people say who they are before messages of this context are sent again."""
        return self.context_name in MOVE_MONEY and not confirmed_lately(request)

    def _replay_group(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        if not self.may_replay(request):
            raise PermissionDenied
        if self.to_confirm(request):
            return redirect(confirm_address(request))
        parked = count_alike(Database(self.context_name), fingerprint)
        form = GroupForm(request.POST, subject=parked, user=request.user)
        if not form.is_valid():
            return self._show_group(request, fingerprint, form=form, status=400)
        given, began = given_by(request, form), uuid7()
        try:
            done = operations.replay_group(
                context=self.context_name, fingerprint=fingerprint, limit=given.fields["limit"],
                actor=given.actor, reason=given.reason,
            )  # fmt: skip
        except NothingAlike as refusal:
            told = in_words(refusal)
            return self._show_group(request, fingerprint, form=form, status=409, refusal=told)
        self._tell(request, done)
        return redirect(f"{self.group_address(fingerprint)}?since={began}")

    def _tell(self, request: HttpRequest, done: Sequence[operations.Outcome]) -> None:
        sent = sum(each.done for each in done)
        messages.success(request, f"{messages_of(sent)} sent again. What comes of it shows below.")
        if sent < len(done):
            others = messages_of(len(done) - sent)
            messages.warning(request, f"{others} not sent: settled by somebody else meanwhile.")

    def _show_group(
        self,
        request: HttpRequest,
        fingerprint: str,
        *,
        form: GroupForm | None = None,
        status: int = 200,
        refusal: str = "",
    ) -> HttpResponse:
        since = since_of(request)
        sent = sent_of_group(Database(self.context_name), fingerprint, since)
        seen = sha256(repr(sent).encode()).hexdigest()[:16]
        if is_known(request, seen):
            return HttpResponse(status=204)
        group, preview = foreseen(self.context_name, fingerprint)
        parked = group.parked if group else 0
        if form is None:
            initial = {"version": 0, "limit": "1"}
            form = GroupForm(initial=initial, subject=parked, user=request.user)
        under_way = any(each.word == "under way" for each in sent)
        context = {
            **self._page(request, "Messages that failed alike"),
            "group": group,
            "facts": facts_of(self.context_name, group) if group else [],
            "first": first_table(self.context_name, preview) if preview else None,
            "warnings": preview.warnings if preview else (),
            "more": max(0, parked - MOST_SHOWN),
            "form": form if parked and self.may_replay(request) else None,
            "confirm": confirm_address(request) if self.to_confirm(request) else "",
            "refusal": refusal,
            "sent_labels": [(label(w, WORDS.get(w, "")), n) for w, n in counted(sent).items()],
            "sent_table": sent_table(self.context_name, sent[:MOST_SENT_SHOWN]),
            "sent_more": max(0, len(sent) - MOST_SENT_SHOWN),
            "this_run": "since" in request.GET,
            "follow": following(request, seen, more_to_come=under_way),
            "all_groups": reverse(f"admin:{self.context_name}_deadletter_groups"),
        }
        return TemplateResponse(request, "admin/dead_letters/group.html", context, status=status)

    def group_address(self, fingerprint: str) -> str:
        name = f"admin:{self.context_name}_deadletter_group"
        return reverse(name, args=[fingerprint or NO_FINGERPRINT])

    def _page(self, request: HttpRequest, title: str) -> dict[str, Any]:
        each_context = self.admin_site.each_context(request)
        return {**each_context, "opts": self.opts, "media": self.media, "title": title}


def groups_table(name: str) -> tuple[Table | None, str, str]:
    """The groups of a context, where its list is, and why there are none to be seen, if so."""
    address = f"{reverse(f'admin:{name}_deadletter_changelist')}?{STATUS}=parked"
    try:
        found = groups(context=name)
    except (psycopg.OperationalError, django.db.OperationalError):
        return None, address, "Its database does not answer now."
    now = timezone.now()
    rows = [
        [each.parked, group_link(name, each.fingerprint, gist(each.error_type, each.error)),
         in_one_line(each.type or "unreadable"), in_one_line(words(each.step) or "-"),
         ago(each.first_seen, now), ago(each.last_seen, now),
         letter_link(name, each.example, in_one_line("example"))]
        for each in found
    ]  # fmt: skip
    titles = ("Parked", "Error", "Type", "Step", "First", "Last", "Letter")
    return (Table("", titles, rows), address, "") if rows else (None, address, "Nothing is parked.")


def foreseen(name: str, fingerprint: str) -> tuple[Group | None, GroupPreview | None]:
    """The group as it stands, and the first that would be sent; nothing where none is parked."""
    group = next((each for each in groups(context=name) if each.fingerprint == fingerprint), None)
    if group is None:
        return None, None
    try:
        preview = operations.preview_group(context=name, fingerprint=fingerprint, limit=MOST_SHOWN)
    except NothingAlike:
        return None, None
    return group, preview


def since_of(request: HttpRequest) -> UUID:
    """From where on the page looks at what was sent: a run's beginning, else a day ago."""
    try:
        return UUID(request.GET.get("since", ""))
    except ValueError:
        return id_of(timezone.now() - REMEMBERED)


def facts_of(name: str, group: Group) -> list[tuple[str, object]]:
    now = timezone.now()
    return [
        ("Parked", messages_of(group.parked)),
        ("Error", f"{group.error_type}: {group.error}"),
        ("Type", group.type or "unreadable"),
        ("Step", words(group.step) or "-"),
        ("First seen", aged(group.first_seen, now)),
        ("Last seen", aged(group.last_seen, now)),
        ("Example", letter_link(name, group.example, group.example)),
        ("Fingerprint", group.fingerprint or "none: parked before fingerprints were kept"),
    ]


def first_table(name: str, preview: GroupPreview) -> Table:
    """Those that are sent first, in order."""
    rows = [
        [number, letter_link(name, each.letter_id, short(each.letter_id)), saga_link(each.saga_id),
         each.replays, len(each.behind) or "-"]
        for number, each in enumerate(preview.letters, 1)
    ]  # fmt: skip
    titles = ("Turn", "Letter", "Saga", "Replays so far", "Wait behind it")
    return Table("Sent first, in this order", titles, rows)


def sent_table(name: str, sent: Sequence[Sent]) -> Table:
    """Where those stand that were sent."""
    rows = [
        [letter_link(name, each.id, short(each.id)), saga_link(each.saga_id),
         label(each.word, WORDS.get(each.word, "")),
         f"{each.error_type}: {each.error}" if each.failed else ""]
        for each in sent
    ]  # fmt: skip
    return Table("", ("Letter", "Saga", "Came to", "Error"), rows)


def saga_link(saga_id: UUID | None) -> object:
    return link("sagas_saga", saga_id, short(saga_id)) if saga_id else "-"


def messages_of(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
