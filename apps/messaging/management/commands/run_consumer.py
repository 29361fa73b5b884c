import gc
from typing import Any

import structlog
from confluent_kafka import KafkaException
from django.core.management import BaseCommand, CommandError, CommandParser

from apps.messaging.consumer import ContextConsumer
from apps.messaging.context import context_name
from apps.messaging.errors import MessagingError, SessionTimeoutTooLong, TopicsMissing
from apps.messaging.failpoints import arm
from apps.messaging.kafka import admin_client
from apps.messaging.metrics import serve_metrics
from apps.messaging.topics import LONGEST_SESSION_TIMEOUT_MS, missing_topics, session_timeout_ms
from apps.messaging.versions import refuse_to_lack
from apps.messaging.wiring import wiring

log = structlog.get_logger()


class Command(BaseCommand):
    help = "Consume the topics of one context, and sweep its outbox, until INT or TERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("context", type=context_name, help="one that is installed here")

    def handle(self, *args: Any, **options: Any) -> None:
        label = options["context"]
        try:
            refuse_to_lack([label])
            check_cluster(label)
        except (KafkaException, MessagingError) as error:
            raise CommandError(str(error)) from error
        serve_metrics()
        collect_garbage_seldom()
        arm()
        ContextConsumer(label).run()


def collect_garbage_seldom() -> None:
    """A batch makes some ten thousand objects and drops them: the collector's default of a look
    every 700 took a third of a consumer's processor time (measured, batches of 100)."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def check_cluster(label: str) -> None:
    """Raises TopicsMissing; warns where a dead consumer's partitions would lie idle for long."""
    client = admin_client()
    if missing := missing_topics(client, list(wiring(label).topics)):
        raise TopicsMissing(topics=missing)
    timeout = session_timeout_ms(client)
    if timeout and timeout > LONGEST_SESSION_TIMEOUT_MS:
        log.warning("session_timeout_too_long", advice=str(SessionTimeoutTooLong(found=timeout)))
