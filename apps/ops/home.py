"""The admin's home page: how all sagas and all servers stand, each figure a link to what it counts.

Each server is asked in a thread of its own and for a limited time (messaging.asking): where one
does not answer, its part says so and the others are there. Whoever may look at sagas sees the
figures; links lead where the reader's own permissions do.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from apps.contracts.numbers import number_of
from apps.messaging.asking import answers, asker, patiently
from apps.messaging.context import contexts, contexts_with_intents
from apps.messaging.database import Database
from apps.messaging.display import took, words
from apps.messaging.gauges import Sample
from apps.messaging.kafka import group_name, plain_topic
from apps.messaging.scrape import KAFKA, questions
from apps.ops.chart import chart_of, why
from apps.ops.conservation.record import last_check
from apps.ops.figure import Figure
from apps.ops.models import ConservationCheck
from apps.sagas import figures
from apps.sagas.figures import Count, Ends
from apps.sagas.state import Status

SAGAS, CHECKS = "home sagas", "home default"  # who is asked what is told on this page only
MOST_REASONS = 5
OLD_SECONDS = 60  # a message that waits for longer in an outbox is worth a look

Told = Mapping[str, Any]  # by server; None of one that did not answer


@dataclass(frozen=True, slots=True)
class Service:
    """A context and what waits in it; None: its database does not answer."""

    name: str
    waiting: tuple[Figure, ...] | None
    lag: Figure | None  # None: Kafka does not answer


@dataclass(frozen=True, slots=True)
class OfSagas:
    """What the engine's database tells."""

    standings: figures.Standings
    oldest: figures.Oldest | None
    open_cases: int
    open_requests: int  # for approval
    ends: list[Ends]
    durations: figures.Durations


class Reader:
    """Whoever looks."""

    def __init__(self, request: HttpRequest) -> None:
        self._user: Any = request.user

    def list_of(self, model: str, **chosen: object) -> str:
        """The address of a list; empty where the reader may not see it."""
        if not self._may_view(model):
            return ""
        address = reverse(f"admin:{model.replace('.', '_')}_changelist")
        return f"{address}?{urlencode(chosen)}" if chosen else address

    def page_of(self, model: str, key: object) -> str:
        """The address of a row's page; empty where the reader may not see it."""
        name = f"admin:{model.replace('.', '_')}_change"
        return reverse(name, args=[key]) if self._may_view(model) else ""

    def _may_view(self, model: str) -> bool:
        app, name = model.split(".")
        return bool(self._user.has_perm(f"{app}.view_{name}"))


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the page shows. htmx, which asks for it again and again, gets no frame around it."""
    frame = "admin/home_part.html" if request.headers.get("HX-Request") else "admin/base.html"
    context = {**context, "frame": frame}
    if not request.user.has_perm("sagas.view_saga"):
        return context
    return context | {"home": overview(Reader(request))}


def overview(reader: Reader) -> dict[str, Any]:
    """Every part of the page; None stands for one whose server did not answer."""
    now, told = timezone.now(), ask()
    of_sagas: OfSagas | None = told[SAGAS]
    return {
        "at": now,
        "sagas": of_sagas and _parts_of_sagas(reader, of_sagas, now),
        "services": list(services(reader, told)),
        "kafka_answers": told.get(KAFKA) is not None,
        "checked": told[CHECKS] is not None,
        "check": told[CHECKS] and conservation(reader, told[CHECKS][0], now),
        "checks": reader.list_of("ops.conservationcheck"),
    }


def ask() -> dict[str, Any]:
    """What each server tells, in a few seconds; None where it did not."""
    put: dict[str, Future[Any]] = {
        name: asker(name).ask("gauges", question) for name, question in questions().items()
    }
    # Threads of their own: a long look at all sagas must not keep the health check waiting.
    put[SAGAS] = asker(SAGAS).ask("figures", partial(patiently, "sagas", of_sagas_in))
    put[CHECKS] = asker(CHECKS).ask("check", partial(patiently, "default", last_check_in))
    told = answers(put)
    return {name: None if isinstance(each, BaseException) else each for name, each in told.items()}


def of_sagas_in(database: Database) -> OfSagas:
    """Six statements; seven where ends are estimated."""
    return OfSagas(
        standings=figures.standings(database),
        oldest=figures.oldest(database),
        open_cases=figures.open_cases(database),
        open_requests=figures.open_requests(database),
        ends=figures.ends(database),
        durations=figures.durations(database),
    )


def last_check_in(database: Database) -> tuple[ConservationCheck | None]:
    """One statement. In a tuple, for None means that nobody answered."""
    return (last_check(),)


# --- the parts


def _parts_of_sagas(reader: Reader, of: OfSagas, now: datetime) -> dict[str, Any]:
    return {
        "states": list(states(reader, of.standings)),
        "attention": list(attention(reader, of, now)),
        "chart": chart_of(of.ends, now, partial(ended_in, reader, now)),
        "reasons": reasons(reader, of.ends, now),
        "durations": list(durations(reader, of.durations, now)),
    }


def states(reader: Reader, standings: figures.Standings) -> Iterator[Figure]:
    """How many sagas stand where."""
    for status in Status:
        address = reader.list_of("sagas.saga", status__exact=status.value)
        yield Figure(status.value, str(standings.by_status[status]), address)


def attention(reader: Reader, of: OfSagas, now: datetime) -> Iterator[Figure]:
    """What a person should look at first."""
    if of.oldest:
        yield Figure(
            "oldest in flight",
            took(now - of.oldest.started_at),
            reader.page_of("sagas.saga", of.oldest.saga_id),
            f"{number_of(of.oldest.order_id)}, {words(of.oldest.status)}",
        )
    else:
        yield Figure("oldest in flight", "none", reader.list_of("sagas.saga", status__exact="live"))
    stuck: Count = of.standings.by_status[Status.STUCK]
    address = reader.list_of("sagas.saga", status__exact=Status.STUCK.value)
    yield Figure("stuck", str(stuck), address, alarming=stuck.number > 0)
    address = reader.list_of("sagas.case", standing="open")
    yield Figure("open cases", f"{of.open_cases:,}", address, alarming=of.open_cases > 0)
    address = reader.list_of("sagas.approval", standing="open")
    yield Figure("waiting for approval", f"{of.open_requests:,}", address)


def ended_in(reader: Reader, now: datetime, hours: range, **chosen: str) -> str:
    """The address of the list of what ended in these of the last hours, counted back from now."""
    since, until = now - timedelta(hours=hours.stop), now - timedelta(hours=hours.start)
    given = {"ended_from": since.isoformat(), "ended_to": until.isoformat()}
    return reader.list_of("sagas.saga", **given, **chosen)


def reasons(reader: Reader, ends: list[Ends], now: datetime) -> list[Figure]:
    """Why sagas were undone, the commonest first."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in ends:
        if each.status == Status.UNDONE:
            counts[each.cause_step, each.cause_type] += each.count
    since = (now - timedelta(hours=figures.HOURS)).isoformat()
    return [
        Figure(
            why(step, error),
            f"{count:,}",
            reader.list_of("sagas.saga", cause_step=step, cause_type=error, ended_from=since),
        )
        for (step, error), count in counts.most_common(MOST_REASONS)
    ]


def durations(reader: Reader, of: figures.Durations, now: datetime) -> Iterator[Figure]:
    """How long sagas took that ended in the last day."""
    since = (now - timedelta(hours=figures.HOURS)).isoformat()
    address = reader.list_of("sagas.saga", ended_from=since)
    newest = "the newest " if of.count == figures.MOST_TIMED else ""
    note = f"of {newest}{of.count:,} that ended"
    yield Figure("half are faster than (p50)", _took(of.median), address, note)
    yield Figure("19 of 20 are faster than (p95)", _took(of.slowest), address, note)


def services(reader: Reader, told: Told) -> Iterator[Service]:
    """What waits in each context."""
    with_intents = contexts_with_intents()
    for context in contexts():
        name = context.label
        of_database: list[Sample] | None = told.get(name)
        waiting = of_database and _waiting(reader, name, of_database, name in with_intents)
        yield Service(name, waiting or None, lag_of(name, told.get(KAFKA)))


def _waiting(
    reader: Reader, context: str, samples: list[Sample], with_intents: bool
) -> tuple[Figure, ...]:
    """Parked messages, outbox, outside calls: the gauges that Prometheus is given, too."""
    gauges = {each.gauge: each.value for each in samples if each.labels in ((context,), ())}
    parked, waits = int(gauges["dead_letters_parked"]), int(gauges["outbox_messages"])
    age = gauges["outbox_oldest_seconds"]
    letters = reader.list_of(f"{context}.deadletter", status__exact="parked")
    return (
        Figure("parked", f"{parked:,}", letters, alarming=parked > 0),
        Figure(
            "outbox",
            f"{waits:,}",
            reader.list_of(f"{context}.outboxmessage"),
            f"for {_took(timedelta(seconds=age))}" if waits else "",
            alarming=age > OLD_SECONDS,
        ),
        _calls(reader, context, gauges, silent(samples))
        if with_intents
        else Figure("calls due", "-"),
    )


def _calls(
    reader: Reader, context: str, gauges: Mapping[str, float], silent_ones: list[str]
) -> Figure:
    due, age = int(gauges["intents_due"]), gauges["intents_oldest_due_seconds"]
    address = reader.list_of(f"{context}.intent", due="now")
    notes = [*([f"for {_took(timedelta(seconds=age))}"] if due else []), *silent_ones]
    alarming = age > OLD_SECONDS or bool(silent_ones)
    return Figure("calls due", f"{due:,}", address, "; ".join(notes), alarming=alarming)


def silent(samples: list[Sample]) -> list[str]:
    """Whom a context does not call for they do not answer, since when, and what waits for it."""
    told = {(each.gauge, each.labels[-1]): each.value for each in samples if each.labels}
    return [
        f"{provider} silent for {_took(timedelta(seconds=seconds))}, "
        f"{int(told['provider_calls_held_back', provider]):,} held back"
        for (gauge, provider), seconds in told.items()
        if gauge == "provider_silent_seconds" and seconds > 0
    ]


def lag_of(context: str, samples: list[Sample] | None) -> Figure | None:
    """How many messages a context has yet to settle, and where most of them are. Kafka has them:
    there is no list."""
    if samples is None:
        return None
    own = [each for each in samples if each.labels[0] == group_name(context)]
    total = int(sum(each.value for each in own))
    if not total:
        return Figure("lag", "0")
    most = max(own, key=lambda each: each.value)
    _, topic, partition = most.labels
    return Figure("lag", f"{total:,}", note=f"most in {plain_topic(topic)}, part {partition}")


def conservation(
    reader: Reader, check: ConservationCheck | None, now: datetime
) -> dict[str, object] | None:
    """The last check of whether all databases add up."""
    if check is None:
        return None
    broken = [f"{each['law']}: {each['sentence']}" for each in check.broken]
    return {
        "row": check,
        "age": took(now - check.checked_at),
        "broken": broken,
        "address": reader.page_of("ops.conservationcheck", check.pk),
    }


def _took(duration: timedelta | None) -> str:
    return "-" if duration is None else took(duration)
