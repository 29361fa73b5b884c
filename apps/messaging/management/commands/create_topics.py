from typing import Any

from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management import BaseCommand, CommandError

from apps.messaging.kafka import admin_client
from apps.messaging.topics import create_topics, grow_topics, own_topics


class Command(BaseCommand):
    help = (
        "Create the Kafka topics of the installed contexts that are missing, with the settings'"
        " partitions and replicas, and give more partitions to those that have fewer."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            client = admin_client()
            created = create_topics(client)
            grown = grow_topics(client)
        except KafkaException as error:
            advice = "Is KAFKA_BOOTSTRAP_SERVERS right?"
            raise CommandError(f"Kafka refused: {error}. {advice}") from error
        self.stdout.write(f"{len(created)} of {len(own_topics())} topics created")
        if grown:
            partitions = settings.KAFKA_PARTITIONS
            self.stdout.write(f"{len(grown)} topics have {partitions} partitions now")
