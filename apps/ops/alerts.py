"""Alerts: what a person should look at now, from the topic `saga-alerts` by mail and by webhook.

At least once: an alert is marked as read when it has gone out by every way that is set. A way that
fails is tried again for some minutes; then the alert is logged and left, for what it tells of
stands on the desk all the same.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import requests
import structlog
from confluent_kafka import Consumer
from django.conf import settings
from django.core.mail import send_mail

from apps.contracts.base import Event
from apps.contracts.catalogue import ALERTS, Action
from apps.contracts.sagas import CaseOpened, CompensationFree, CompensationHeld
from apps.messaging.errors import MessagingError
from apps.messaging.kafka import is_error, new_consumer, topic_name
from apps.messaging.record import read_record
from apps.messaging.request import Request
from apps.messaging.retry import pause_before_call

log = structlog.get_logger()

GROUP = "alerts"
ATTEMPTS = 12  # of one way, over some minutes
TIMEOUT_SECONDS = (3, 10)  # to connect, and to answer
IDLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Alert:
    """News for a person, without personal data."""

    subject: str
    text: str
    facts: dict[str, Any]


Way = Callable[[Alert], None]


def alert_of(event: Event, about: Request) -> Alert:
    """An event in words, and the request of the saga that it is about."""
    name, saga_id = type(event).__name__, str(about.saga_id)
    facts = {"type": name, "saga_id": saga_id, **msgspec.to_builtins(event)}
    match event:
        case CaseOpened():
            facts["action"] = str(about.action)
            what = event.step if about.action is Action.DO else f"{about.action} {event.step}"
            subject = f"{event.kind.replace('_', ' ').capitalize()}: {what}"
            text = f"{event.reason}\n\nLook:  manage.py sagas show {saga_id}\n"
        case CompensationHeld():
            subject = "Automatic compensation is held back"
            text = (
                f"{event.late} of {event.live} live sagas are late at once. Requests are sent "
                "again, none is turned back by time. Look at consumer lag and at the services.\n"
            )
        case CompensationFree():
            subject = "Automatic compensation goes on"
            text = f"{event.late} of {event.live} live sagas are late.\n"
        case _:
            subject, text = name, f"{facts}\n"
    return Alert(f"[sagaplatform] {subject}", text, facts)


def by_mail(alert: Alert) -> None:
    """To all addresses of ALERT_MAIL_TO. Raises OSError (smtplib's errors are such)."""
    send_mail(alert.subject, alert.text, settings.ALERT_MAIL_FROM, settings.ALERT_MAIL_TO)


def by_webhook(alert: Alert) -> None:
    """A POST of JSON to ALERT_WEBHOOK_URL. Raises requests.RequestException, an OSError."""
    body = {"subject": alert.subject, "text": alert.text, **alert.facts}
    answer = requests.post(settings.ALERT_WEBHOOK_URL, json=body, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()


def ways() -> list[Way]:
    """Those that are set."""
    mail = [by_mail] if settings.ALERT_MAIL_TO else []
    return [*mail, by_webhook] if settings.ALERT_WEBHOOK_URL else [*mail]


class AlertReader:
    """Reads alerts and sends them on, until it is told to stop."""

    def __init__(
        self, send_by: Sequence[Way] | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.ways = ways() if send_by is None else send_by
        self.sleep = sleep
        self.stopping = False

    def run(self) -> None:
        """Until `stop`."""
        consumer: Consumer = new_consumer(GROUP)
        consumer.subscribe([topic_name(ALERTS)])
        log.info("alerts_started", ways=[way.__name__ for way in self.ways])
        try:
            while not self.stopping:
                self.turn(consumer)
        finally:
            consumer.close()

    def turn(self, consumer: Consumer) -> None:
        """One alert, if there is one: its offset is committed when it has gone out. Raises
        KafkaException where the topic does not exist."""
        message = consumer.poll(IDLE_SECONDS)
        if message is None or is_error(message, GROUP):
            return
        record = read_record(message)
        try:
            envelope = record.read()
            event = envelope.open()
        except MessagingError as error:
            log.error("alert_unreadable", place=f"{record.topic}/{record.offset}", error=str(error))
        else:
            assert isinstance(event, Event)  # nothing else is sent there
            self.send(alert_of(event, envelope.request))
        consumer.commit(message=message, asynchronous=False)

    def send(self, alert: Alert) -> None:
        """By every way, each tried again while it fails; logged in any case."""
        log.warning("alert", subject=alert.subject, **alert.facts)
        for way in self.ways:
            self._persistently(way, alert)

    def stop(self) -> None:
        """After the alert in hand."""
        self.stopping = True

    def _persistently(self, way: Way, alert: Alert) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                way(alert)
                return
            except OSError as error:
                log.warning("alert_not_sent", way=way.__name__, attempt=attempt, error=str(error))
            if self.stopping:
                return
            self.sleep(pause_before_call(attempt))
        log.error("alert_given_up", way=way.__name__, subject=alert.subject)
