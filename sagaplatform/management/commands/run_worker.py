from typing import Any

from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management import BaseCommand, CommandError

from apps.messaging.context import contexts_with_intents
from apps.messaging.dispatching import close_dispatchers
from apps.messaging.errors import MessagingError, TopicsMissing
from apps.messaging.kafka import admin_client
from apps.messaging.topics import WAKE_UPS, missing_topics
from sagaplatform.celery import app


class Command(BaseCommand):
    help = "Make the outside calls that are due, whenever woken, until INT or TERM."

    def handle(self, *args: Any, **options: Any) -> None:
        check_work()
        try:
            check_topic()
        except (KafkaException, MessagingError) as error:
            raise CommandError(str(error)) from error
        # Workers need to know nothing of one another: the rows are what they share.
        worker = app.Worker(
            quiet=True, without_gossip=True, without_mingle=True, without_heartbeat=True
        )
        try:
            worker.start()
        finally:
            close_dispatchers()
        if worker.exitcode:
            raise SystemExit(worker.exitcode)


def check_work() -> None:
    """Raises CommandError where no installed context has a worker's work."""
    if not contexts_with_intents():
        raise CommandError("No context that is installed here calls outside: there is no work.")


def check_topic() -> None:
    """Raises TopicsMissing where Kafka is the broker and nobody has created the queue's topic."""
    if not settings.CELERY_BROKER_URL and (missing := missing_topics(admin_client(), [WAKE_UPS])):
        raise TopicsMissing(topics=missing)
