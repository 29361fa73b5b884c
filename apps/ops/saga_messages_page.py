"""A saga's messages on its page: a fragment for htmx; a page for who has no JavaScript."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from confluent_kafka import KafkaException
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.contracts import headers as h
from apps.contracts.base import context_of
from apps.contracts.catalogue import TOPICS
from apps.contracts.plan import Plan
from apps.messaging.admin.pages import Page
from apps.messaging.admin.revealing import Revealed, reveal
from apps.messaging.audit import Actor
from apps.messaging.dead_letter_edits import masked
from apps.messaging.display import clock, words
from apps.messaging.errors import MessagingError
from apps.ops.saga_messages import Said, message_at, messages_of, topics_of
from apps.processes import process
from apps.sagas.admin.page import SagaPage
from apps.sagas.models import Saga
from apps.sagas.revealing import note_reveal

MAY_REVEAL = "sagas.reveal_saga"


class MessageGone(MessagingError):
    """Kafka has no message of this saga at that place any more: topics keep what is young."""


class KafkaAway(MessagingError):
    """Kafka cannot be reached now. Try again in a minute; the saga itself is not affected."""


class Line(NamedTuple):
    """A message in the table."""

    topic: str
    partition: int
    offset: int
    at: object
    type: str
    about: str
    mode: str
    masked: str
    address: str  # of the page that shows what it says; empty: the reader may not


def messages_view(admin: SagaPage, request: HttpRequest, saga: Saga) -> HttpResponse:
    """What Kafka has of a saga."""
    context: dict[str, Any] = {"saga": saga}
    try:
        found = messages_of(
            saga.saga_id, topics_of(contexts_of(saga)), since=began(saga), until=saga.ended_at
        )
        lines = [*_lines(found.messages, saga, may_reveal=request.user.has_perm(MAY_REVEAL))]
        context |= {"lines": lines, "looked_at": found.looked_at, "cut": found.cut}
    except KafkaException as away:
        context |= {"away": str(away)}
    if request.headers.get("HX-Request"):
        return render(request, "admin/sagas/saga/messages.html", context)
    context |= {
        **admin.admin_site.each_context(request),
        "title": f"Messages of {saga}",
        "opts": admin.opts,
        "original": saga,
    }
    return render(request, "admin/sagas/saga/messages_page.html", context)


def message_view(
    admin: SagaPage, request: HttpRequest, saga: Saga, topic: str, partition: int, offset: int
) -> HttpResponse:
    """What one message says: by permission, with a reason, audited."""
    if topic not in TOPICS:
        raise Http404

    def show(actor: Actor, reason: str) -> Revealed:
        """The payload, after it is written down that somebody reads it."""
        record = _read_one(topic, partition, offset)
        if record is None or record.saga_id != saga.saga_id:
            raise MessageGone(topic=topic, partition=partition, offset=offset)
        note_reveal(
            saga_id=saga.saga_id,
            version=saga.revision,
            step=record.envelope.request.step if record.envelope else "",
            message=f"{record.type} at {topic}/{partition}/{offset}",
            actor=actor,
            reason=reason,
        )
        return Revealed(text=readable(record.payload))

    return reveal(
        request,
        title="Show what a message says",
        permission=MAY_REVEAL,
        asked=f"The message at offset {offset} of partition {partition} of {topic}, with all that "
        "it says: that may be a customer's name and address.",
        back=reverse("admin:sagas_saga_change", args=[saga.pk]),
        show=show,
    )


def _read_one(topic: str, partition: int, offset: int) -> Any:
    try:
        return message_at(topic, partition, offset)
    except KafkaException as away:
        raise KafkaAway(error=str(away)) from away


def _lines(messages: list[Said], saga: Saga, *, may_reveal: bool) -> Iterator[Line]:
    for each in messages:
        record, generation = each.record, each.header(h.GENERATION)
        place = (record.topic, record.partition, record.offset)
        address = reverse("admin:sagas_saga_message", args=[saga.pk, *place]) if may_reveal else ""
        again = f", generation {generation}" if generation not in ("", "1") else ""
        about = f"{words(each.header(h.STEP_ID))} ({each.header(h.ACTION)}{again})"
        shown = (record.type or "unreadable", about, each.header(h.MODE), masked(record.payload))
        yield Line(*place, clock(each.at), *shown, address)


def contexts_of(saga: Saga) -> set[str]:
    """The contexts whose steps are in the saga's plan; none where its definition is gone."""
    plan = Plan.from_header(saga.plan)
    try:
        definition = process(plan.process, plan.version)
        steps = [definition.step(each) for each in plan.steps]
    except LookupError:
        return set()
    return {context_of(each.success) for each in steps}


def began(saga: Saga) -> datetime:
    """When its first message can have been written: a UUIDv7 tells, else when it was heard of."""
    id: UUID = saga.saga_id
    if id.version != 7:
        return saga.started_at
    return min(saga.started_at, datetime.fromtimestamp((id.int >> 80) / 1000, UTC))


def readable(payload: bytes) -> str:
    """A payload as it is, with its JSON laid out."""
    try:
        return msgspec.json.format(payload, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return payload.decode("utf-8", "replace")


PAGES = (
    Page("messages", "messages/", messages_view),
    Page("message", "messages/<str:topic>/<int:partition>/<int:offset>/", message_view),
)
