"""The page of one parked message: what it is, why it failed, what it holds up, what was done."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.messaging.admin.acting import Acting, Buttons
from apps.messaging.admin.letter_acts import (
    DISCARD,
    EDIT,
    REPLAY,
    REVEAL,
    WAITS,
    Letter,
    foresee_replay,
    letter_link,
)  # fmt: skip
from apps.messaging.admin.letter_words import aged, asked, did, stands, tried
from apps.messaging.admin.read_only import ReadOnlyAdmin
from apps.messaging.database import Database
from apps.messaging.dead_letter_edits import changed_paths, masked, masked_headers
from apps.messaging.dead_letter_history import Deed, News, deeds, news_of
from apps.messaging.dead_letter_operations import REVEAL as REVEALED
from apps.messaging.dead_letter_rows import ParkedLetter, count_alike, find, open_of_saga
from apps.messaging.display import label, link, moment, words
from apps.messaging.models import ParkedStatus

NEEDS_BOTH = (
    "To correct a message is to see its payload, and you lack the right to: “Can read a parked"
    " message's payload”."
)
WORDS = {"handled": "success", "failed again": "danger", "under way": "info", "sent": "info"}


class Table(NamedTuple):
    """A table on the page. Cells are texts or safe HTML."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]


class LetterPage(Acting, ReadOnlyAdmin):
    """One letter, and the buttons of what can be done to it."""

    acts = (REPLAY, EDIT, DISCARD, REVEAL)

    @property
    def context_name(self) -> str:
        """The context that registers it: its app, its database, the name in its topics."""
        return self.model._meta.app_label

    def subject_of(self, request: HttpRequest, key: str) -> Letter | None:
        row = self.get_object(request, key)
        if row is None:
            return None
        return Letter(row, find(Database(self.context_name), row.pk), self.context_name)

    def row_of(self, subject: Letter) -> Any:
        return subject.row

    def changes_since(self, subject: Letter, version: int) -> Sequence[object]:
        """What people did since, else that it failed anew, which is no deed; and how it stands."""
        letter = subject.letter
        done = deeds(Database(subject.context), letter.id)
        since = [each for each in done if each.version >= version and each.operation != REVEALED]
        now = f"Now: {letter.status}. {stands(letter)}"
        return [*map(_deed, since), *([] if since else _failed_anew(letter)), now]

    def buttons(self, request: HttpRequest, subject: Letter) -> Buttons:
        """To correct a message is to see it: who may only correct is told what is missing."""
        found = super().buttons(request, subject)
        if self.may_act(request, REVEAL):
            return found
        told = [
            each._replace(off=each.off or NEEDS_BOTH) if each.act is EDIT else each
            for each in found
        ]
        return Buttons(told)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The letter's page; while something may still come of a replay, it is asked every 3 s."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        subject = self.subject_of(request, unquote(object_id))
        if subject is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        done = deeds(Database(subject.context), subject.letter.id)
        news = news_of(Database(subject.context), subject.letter, done, timezone.now())
        seen = state_of(subject.letter, done, news)
        if is_known(request, seen):
            return HttpResponse(status=204)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": f"{subject.letter.type or 'Unreadable message'}, {subject.letter.status}",
            "object": subject.row,
            "buttons": self.buttons(request, subject),
            "follow": following(request, seen, more_to_come=bool(news and news.more_to_come)),
            "news": news,
            "news_label": label(news.word, WORDS.get(news.word, "")) if news else "",
            **facts_of(request, subject, done, under_way=bool(news and news.more_to_come)),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/dead_letters/letter.html", context)


# --- following what comes of a replay


def state_of(letter: ParkedLetter, done: Sequence[Deed], news: News | None) -> str:
    """The same while the page would say the same."""
    told = f"{news.word}-{news.more_to_come}" if news else ""
    return f"{letter.version}-{len(done)}-{told}"


def is_known(request: HttpRequest, seen: str) -> bool:
    """Whether a page that follows shows all of this already."""
    return "HX-Request" in request.headers and request.GET.get("seen") == seen


def following(request: HttpRequest, seen: str, *, more_to_come: bool) -> dict[str, str] | None:
    """Where a page asks for news, and where following is paused or taken up again; None where
    nothing is to come."""
    if not more_to_come:
        return None
    query = request.GET.copy()
    query.pop("seen", None)
    paused = query.pop("paused", None) is not None
    here = f"{request.path}?{query.urlencode()}"
    stop, ask = query.copy(), query.copy()
    stop["paused"], ask["seen"] = "1", seen
    return {
        "paused": "yes" if paused else "",
        "here": here,
        "stop": f"{request.path}?{stop.urlencode()}",
        "ask": f"{request.path}?{ask.urlencode()}",
    }


# --- what the page says


def facts_of(
    request: HttpRequest, subject: Letter, done: Sequence[Deed], *, under_way: bool
) -> dict[str, Any]:
    """All of the page below its buttons. While a replay is under way it is not said what another
    would do: how the last one failed says nothing of it."""
    letter, name = subject.letter, subject.context
    parts = [] if under_way else foresee_replay(subject, "").parts
    behind = _open(name, letter)
    return {
        "letter": letter,
        "status_label": label(letter.status),
        "asked": asked(name, letter),
        "stands": "" if under_way else stands(letter),
        "facts": list(_facts(request, subject)),
        "parts": [each for each in parts if each.title != WAITS],  # a table tells more
        "headers_sent": _headers(letter),
        "corrected": changed_paths(letter.payload, letter.sent_payload),
        "payload": masked(letter.sent_payload),
        "tables": [each for each in (behind, _history(done)) if each.rows],
    }


def _facts(request: HttpRequest, subject: Letter) -> Iterator[tuple[str, object]]:
    letter, now = subject.letter, timezone.now()
    yield "Tried", tried(letter)
    yield "Parked", aged(letter.parked_at, now)
    if letter.failed_at and letter.failed_at != letter.parked_at:
        yield "Failed last", aged(letter.failed_at, now)
    if letter.settled_at:
        yield "Settled", aged(letter.settled_at, now)
    if letter.saga_id:
        yield "Saga", link("sagas_saga", letter.saga_id, letter.saga_id)
        yield "Order", order_link(request, letter.saga_id)
    if letter.step:
        asks = f"{words(letter.step)}, {letter.action}, generation {letter.generation}"
        yield "Step", asks
    yield "Read from", f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"
    if subject.row.message_id:
        yield "Message", subject.row.message_id
    if letter.edited_by:
        yield "Corrected by", letter.edited_by
    if letter.status == ParkedStatus.PARKED:
        yield "Failed alike", _alike(subject.context, letter)


def order_link(request: HttpRequest, saga_id: object) -> SafeString | str:
    """Where the saga's order is found; a context that runs alone has no page of orders."""
    if not request.user.has_perm("orders.view_order"):
        return "-"
    try:
        address = f"{reverse('admin:orders_order_changelist')}?q={saga_id}"
    except NoReverseMatch:
        return "-"
    shown = '<a class="text-primary-600 dark:text-primary-500 underline" href="{}">{}</a>'
    return format_html(shown, address, "find the order of this saga")


def group_link(name: str, fingerprint: str, text: object) -> SafeString:
    """A link to the page of those that failed alike."""
    address = reverse(f"admin:{name}_deadletter_group", args=[fingerprint or NO_FINGERPRINT])
    shown = '<a class="text-primary-600 dark:text-primary-500 underline" href="{}">{}</a>'
    return format_html(shown, address, text)


NO_FINGERPRINT = "none"  # in the address: of those that were parked before fingerprints were kept


def _alike(name: str, letter: ParkedLetter) -> SafeString:
    count = count_alike(Database(name), letter.fingerprint)
    text = "only this one" if count == 1 else f"{count} messages, this one among them"
    return group_link(name, letter.fingerprint, text)


def _headers(letter: ParkedLetter) -> list[tuple[str, str, str | None]]:
    """Name, value, and what it was before somebody corrected it."""
    read = masked_headers(letter._replace(edited_headers=None).sent_headers)
    return [
        (name, value, read.get(name, "not there") if read.get(name) != value else None)
        for name, value in masked_headers(letter.sent_headers).items()
    ]


def _open(name: str, letter: ParkedLetter) -> Table:
    """The other letters of its saga that are open."""
    others = open_of_saga(Database(name), letter.saga_id) if letter.saga_id else []
    now = timezone.now()
    rows = [
        [letter_link(name, each.id, each.type or "unreadable"), label(each.status),
         words(each.step) or "-", each.action, aged(each.parked_at, now)]
        for each in others
        if each.id != letter.id
    ]  # fmt: skip
    title = f"Also parked or waiting for this saga in {name}"
    return Table(title, ("Message", "Status", "Step", "Action", "Parked"), rows)


def _history(done: Sequence[Deed]) -> Table:
    rows = [
        [moment(each.at), each.actor, did(each), each.reason, _more(each)]
        for each in reversed(done)
    ]
    return Table("What was done by hand", ("At", "Who", "What", "Why", "Outcome"), rows)


def _more(deed: Deed) -> str:
    changed = ", ".join(deed.changed)
    return f"{deed.outcome}; changed {changed}" if changed else deed.outcome


def _failed_anew(letter: ParkedLetter) -> Iterator[str]:
    """A parked message whose request was sent again by itself, which came to the same."""
    if letter.status == ParkedStatus.PARKED:
        yield f"Its saga sent it again, and it failed again: {letter.error}"


def _deed(deed: Deed) -> SafeString:
    told = (moment(deed.at), deed.actor, did(deed), deed.reason)
    return format_html("{}: {} {}, because: {}", *told)
