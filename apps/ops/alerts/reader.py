"""Reads alerts from the topic `saga-alerts` and sends them on.

Every way gets each alert at least once: it is marked as read in the way's own group when it has
gone out, or is given up after some minutes, for what it tells of stands on the desk all the same.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from apps.contracts.base import Event
from apps.contracts.catalogue import ALERTS
from apps.messaging.errors import MessagingError
from apps.messaging.kafka import end_told, is_error, new_consumer, topic_name
from apps.messaging.record import read_record
from apps.messaging.resting import Rest
from apps.messaging.retry import pause_before_call
from apps.ops.alerts.ways import Way
from apps.ops.alerts.words import Alert, alert_of

log = structlog.get_logger()

ATTEMPTS = 12  # over some minutes
IDLE_SECONDS = 0.5


class AlertReader:
    """Sends alerts on by one way, until it is told to stop."""

    def __init__(
        self,
        way: Way,
        consumer: Consumer | None = None,
        pause: Callable[[int], float] = pause_before_call,
    ) -> None:
        self.way = way
        self.consumer = consumer or new_consumer(way.group)
        self.pause = pause
        self.rest = Rest(self.consumer)
        self.stopping = False

    def run(self) -> None:
        """Until `stop`. Raises KafkaException where the topic does not exist."""
        self.consumer.subscribe([topic_name(ALERTS)])
        log.info("alerts_started", way=self.way.name)
        try:
            while not self.stopping:
                self.turn()
        finally:
            self.consumer.close()

    def turn(self) -> None:
        """One alert, if there is one: it is marked as read when nothing more is to be done."""
        message = self._next()
        if message is None:
            return
        if end := end_told(message):
            self._mark(end)
        elif not is_error(message, self.way.group):
            alert = alert_in(message)
            if alert is None or self._is_settled(alert):
                self._mark(behind(message))

    def stop(self) -> None:
        """After the call in hand. An alert that has not gone out is read again after a start."""
        self.stopping = True

    def _next(self) -> Message | None:
        self.rest.resume()
        return self.rest.held.pop(0) if self.rest.held else self.consumer.poll(IDLE_SECONDS)

    def _is_settled(self, alert: Alert) -> bool:
        """Whether it has gone out, or is given up after all attempts."""
        for attempt in range(1, ATTEMPTS + 1):
            if self._goes_out(alert, attempt):
                return True
            if attempt < ATTEMPTS:
                self.rest.take(self.pause(attempt), until=lambda: self.stopping)
            if self.stopping:
                return False
        log.error("alert_given_up", way=self.way.name, subject=alert.subject)
        return True

    def _goes_out(self, alert: Alert, attempt: int) -> bool:
        """Try once. Of what went wrong only kind and status are told: the text of an error has the
        webhook's address in it, which lets anybody post there."""
        try:
            self.way.send(alert)
        except Exception as error:  # whatever it is: the next alert may go out
            told = {"error_type": type(error).__name__, "status": status_of(error)}
            log.warning("alert_not_sent", way=self.way.name, attempt=attempt, **told)
            return False
        return True

    def _mark(self, place: TopicPartition) -> None:
        """Where Kafka does not take that, the alert may go out once more, and nothing else."""
        try:
            self.consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:
            log.warning("alert_not_marked", way=self.way.name, error=str(error))


def behind(message: Message) -> TopicPartition:
    """Where to go on after it."""
    offset = (message.offset() or 0) + 1
    return TopicPartition(message.topic() or "", message.partition() or 0, offset)


def alert_in(message: Message) -> Alert | None:
    """The alert in words; None where it cannot be read, which is logged."""
    record = read_record(message)
    try:
        envelope = record.read()
        event = envelope.open()
    except MessagingError as error:
        log.error("alert_unreadable", place=record.place, error=str(error))
        return None
    if not isinstance(event, Event):
        log.error("alert_unreadable", place=record.place, error=f"{envelope.type} tells nothing")
        return None
    return alert_of(event, envelope.request)


def status_of(error: Exception) -> int | None:
    """What a server said, as a number: HTTP's or SMTP's."""
    return getattr(error, "status", None) or getattr(error, "smtp_code", None)


def run_together(readers: Sequence[AlertReader]) -> None:
    """Each in a thread of its own. When one ends, all do; raises what has ended it."""
    with ThreadPoolExecutor(len(readers)) as threads:
        running = [threads.submit(each.run) for each in readers]
        wait(running, return_when=FIRST_COMPLETED)
        for each in readers:
            each.stop()
    for ended in running:
        ended.result()
