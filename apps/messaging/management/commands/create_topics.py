from typing import Any

from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management import BaseCommand, CommandError

from apps.messaging.kafka import admin_client
from apps.messaging.topics import create_topics, grow_topics, own_topics

MOST_PARTITIONS = 1000  # a slip of the pen: Kafka could not take them away again
ADVICE = "Are KAFKA_BOOTSTRAP_SERVERS and KAFKA_REPLICATION right? It may be run again at any time."


class Command(BaseCommand):
    help = (
        "Create the Kafka topics of the installed contexts that are missing, with the settings'"
        " partitions and replicas, and give more partitions to those that have fewer."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_what_cannot_be_meant()
        try:
            client = admin_client()
            created = create_topics(client)
            grown = grow_topics(client)
        except TimeoutError as error:
            raise CommandError(f"Kafka does not answer. {ADVICE}") from error
        except KafkaException as error:
            raise CommandError(f"Kafka refused: {error.args[0].str()}. {ADVICE}") from error
        self.stdout.write(f"{len(created)} of {len(own_topics())} topics created")
        if grown:
            partitions = settings.KAFKA_PARTITIONS
            self.stdout.write(f"{len(grown)} topics have {partitions} partitions now")


def refuse_what_cannot_be_meant() -> None:
    """Raises CommandError for settings that Kafka would take, to nobody's good."""
    partitions, copies = settings.KAFKA_PARTITIONS, settings.KAFKA_REPLICATION
    if not 1 <= partitions <= MOST_PARTITIONS:
        raise CommandError(
            f"KAFKA_PARTITIONS is {partitions}: give a number from 1 to {MOST_PARTITIONS}."
        )
    if not 1 <= (in_sync := settings.KAFKA_MIN_INSYNC) <= copies:
        raise CommandError(
            f"KAFKA_MIN_INSYNC is {in_sync} and KAFKA_REPLICATION is {copies}: give at least 1, and"
            " no more than there are copies, or nothing could be written."
        )
