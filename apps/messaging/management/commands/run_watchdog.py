import time
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import structlog
from django.core.management import BaseCommand, CommandError, CommandParser

from apps.messaging.context import context_name, contexts
from apps.messaging.database import Database
from apps.messaging.dead_letters import describe
from apps.messaging.errors import MessagingError
from apps.messaging.failpoints import arm
from apps.messaging.metrics import serve_metrics
from apps.messaging.relay import relay
from apps.messaging.retry import is_passing
from apps.messaging.stopping import on_stop_signal
from apps.messaging.versions import refuse_to_lack

log = structlog.get_logger()

TURN_EVERY_SECONDS = 1.0


class Watch(Protocol):
    """What a context's module `watchdog` has as its class Watchdog, or several as WATCHES."""

    def turn(self) -> int: ...
    def close(self) -> None: ...


class Command(BaseCommand):
    help = "Find what has waited for too long, in each context that watches, until INT or TERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "contexts", nargs="*", type=context_name, default=watching(), metavar="context"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        labels = options["contexts"]
        if idle := [each for each in labels if each not in watching()]:
            raise CommandError(f"There is nothing to watch over in {', '.join(idle)}.")
        if not labels:
            raise CommandError("No context that is installed here has something to watch over.")
        try:
            refuse_to_lack(labels)
        except MessagingError as error:
            raise CommandError(str(error)) from error
        arm()
        serve_metrics()
        Rounds(labels).run()


def watching() -> list[str]:
    """The installed contexts that have something to watch over."""
    labels = [each.label for each in contexts()]
    return [label for label in labels if find_spec(f"apps.{label}.watchdog")]


def watches_of(label: str) -> list[Watch]:
    """Of one context, newly made."""
    module = import_module(f"apps.{label}.watchdog")
    return [each() for each in getattr(module, "WATCHES", (module.Watchdog,))]


class Rounds:
    """Turns of all watchdogs of this process, one after the other, again and again."""

    def __init__(self, labels: list[str]) -> None:
        self.labels = labels
        self.watches = [(label, watch) for label in labels for watch in watches_of(label)]
        self.stopping = False

    def run(self) -> None:
        """Until a signal; what is begun is finished first."""
        on_stop_signal(self.stop)
        for label in self.labels:
            relay(label).attended = True
        log.info("watchdog_started", contexts=self.labels)
        while not self.stopping:
            began = time.monotonic()
            for label, watch in self.watches:
                self._turn(label, watch)
            time.sleep(max(0.0, TURN_EVERY_SECONDS - (time.monotonic() - began)))
        self._close()

    def stop(self) -> None:
        """After the turn in hand."""
        self.stopping = True

    def _turn(self, label: str, watch: Watch) -> None:
        """One turn. An error costs this turn of this watch; that it does not turn any more is told
        by its metric."""
        try:
            watch.turn()
            relay(label).attend()
        except Exception as error:  # the other watches go on
            if is_passing(error):
                log.warning("database_in_the_way", context=label, error=describe(error))
            else:
                log.exception("watchdog_failed", context=label)
            Database(label).reconnect()

    def _close(self) -> None:
        for label, watch in self.watches:
            relay(label).send_off()
            watch.close()
        log.info("watchdog_stopped")
