"""The topic saga-state from a terminal: what it says, whether that is so, and making it so."""

import json
import sys
from argparse import Namespace
from collections import Counter
from typing import Any

import msgspec
from confluent_kafka import KafkaException
from django.core.management import BaseCommand, CommandError, CommandParser

from apps.messaging.terminal import as_table, id_shown_by
from apps.sagas.state_check import differences, republish
from apps.sagas.state_topic import read_states

MOST_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Read the topic saga-state to its end and count the sagas by status. With --check the exit "
        "status is 1 if it says otherwise than the database."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        id = id_shown_by("`manage.py sagas list`")
        what.add_argument("--saga", type=id, metavar="ID", help="only where this saga stands")
        what.add_argument(
            "--check", action="store_true", help="compare with the database; changes nothing"
        )
        what.add_argument(
            "--republish",
            action="store_true",
            help="send all sagas of the database anew, and take away what it does not know",
        )
        parser.add_argument("--json", action="store_true", help="the same as JSON, and only it")

    def handle(self, *args: Any, **options: Any) -> None:
        given = Namespace(**options)
        try:
            self._do(given)
        except KafkaException as error:
            raise CommandError(
                f"Kafka does not give or take it: {error.args[0].str()}. Is"
                " KAFKA_BOOTSTRAP_SERVERS right, and has create_topics run?"
            ) from error

    def _do(self, given: Namespace) -> None:
        if given.republish:
            self._tell({"sent": (sent := republish())}, f"{sent} messages sent", given)
        elif given.check:
            self._check(given)
        elif given.saga:
            self._show(given)
        else:
            self._count(given)

    def _count(self, given: Namespace) -> None:
        counts = Counter(each.status for each in read_states().known.values())
        rows = [(status, str(count)) for status, count in sorted(counts.items())]
        table = as_table(("status", "sagas"), rows) if rows else "The topic holds no saga."
        self._tell(dict(sorted(counts.items())), table, given)

    def _show(self, given: Namespace) -> None:
        state = read_states().known.get(given.saga)
        if state is None:
            raise CommandError(f"The topic knows no saga {given.saga}.")
        told = msgspec.to_builtins(state)
        self._tell(told, "\n".join(f"{name}: {value}" for name, value in told.items()), given)

    def _check(self, given: Namespace) -> None:
        found = {str(saga_id): words for saga_id, words in sorted(differences().items())}
        lines = [f"{saga_id}: {words}" for saga_id, words in found.items()][:MOST_SHOWN]
        if len(found) > MOST_SHOWN:
            lines.append(f"… and {len(found) - MOST_SHOWN} more")
        good = "The topic says what the database says."
        self._tell({"differences": found}, "\n".join(lines) or good, given)
        if found:
            sys.exit(1)

    def _tell(self, told: dict[str, Any], text: str, given: Namespace) -> None:
        self.stdout.write(json.dumps(told, indent=2) if given.json else text)
