from typing import Any

from confluent_kafka import KafkaException
from django.core.management import BaseCommand, CommandError

from apps.messaging.kafka import admin_client
from apps.messaging.topics import create_topics, own_topics


class Command(BaseCommand):
    help = (
        "Create the Kafka topics of the installed contexts that are missing, with the settings'"
        " partitions and replicas."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            created = create_topics(admin_client())
        except KafkaException as error:
            advice = "Is KAFKA_BOOTSTRAP_SERVERS right?"
            raise CommandError(f"Kafka refused: {error}. {advice}") from error
        self.stdout.write(f"{len(created)} of {len(own_topics())} topics created")
