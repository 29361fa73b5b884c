"""How new sagas are driven, from a terminal."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from apps.messaging.errors import MessagingError
from apps.messaging.terminal import add_acting, check_texts, confirm, signed, why_refused
from apps.orders.errors import OrdersError
from apps.orders.modes import set_share, share_of
from apps.processes import LIVE, PLACE_ORDER


class Command(BaseCommand):
    help = (
        "Show which share of a process's new sagas events drive (choreographed), the engine the "
        "others; or change it. Sagas under way keep their mode."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("percent", nargs="?", type=int, help="0 to 100; without it: only show")
        names = sorted({each.name for each in LIVE})
        parser.add_argument("--process", default=PLACE_ORDER.name, choices=names)
        add_acting(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        check_texts(options)
        process, percent = options["process"], options["percent"]
        before, version = share_of(process)
        if percent is None:
            self.stdout.write(f"{process}: events drive {before} % of new sagas.")
            return
        try:
            signature = signed(options)
            words = f"Let events drive {percent} % of new sagas of {process} (now {before} %)?"
            confirm(words, yes=options["yes"], out=self.stdout)
            set_share(process=process, percent=percent, version=version, **signature)
        except (OrdersError, MessagingError) as refusal:
            raise CommandError(why_refused(refusal)) from refusal
        self.stdout.write(f"{process}: events drive {percent} % of new sagas from now on.")
