"""The demonstration: opens the shop, replays real baskets, and proves that all has ended well."""

import sys
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from rich.console import Console

from apps.ops.conservation.check import prove
from apps.ops.conservation.drain import wait_until_at_rest
from apps.ops.conservation.proof import Patience
from apps.ops.conservation.tables import print_proof
from sagaplatform.shop.breaking import broker_process, kill_broker
from sagaplatform.shop.files import DATA, ShopFiles, add_file_arguments, positive, readable
from sagaplatform.shop.memory import memory_of_stack
from sagaplatform.shop.runs import FAILURES, add_replay_arguments, load, replay
from sagaplatform.shop.tables import print_complaints, print_memory, print_result

ORDERS = 500
# Everything is at rest: the youngest saga is looked at too, and nothing may be missing any more.
AT_REST = Patience(moment=timedelta(0), shipping=timedelta(0))


class Command(BaseCommand):
    help = (
        "Open the shop, replay baskets as their households through the REST API of the running "
        "platform, wait until everything has ended, and prove that it adds up. The exit status is "
        "0 only if every order ended and the proof holds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_file_arguments(parser)
        parser.add_argument(
            "--baskets", type=readable, default=DATA / "baskets.csv", metavar="FILE"
        )
        add_replay_arguments(parser)
        parser.add_argument(
            "--kill-broker",
            type=positive,
            metavar="NUMBER",
            help="kill this broker of the local Kafka when half of the orders are placed",
        )
        parser.set_defaults(orders=ORDERS)

    def handle(self, *args: Any, **options: Any) -> None:
        files = ShopFiles(options["catalogue"], options["baskets"], options["orders"])
        console = Console()
        try:
            good = demonstrate(files, console, options)
        except FAILURES as error:
            raise CommandError(str(error)) from error
        if not good:
            sys.exit(1)


def demonstrate(files: ShopFiles, console: Console, options: dict[str, Any]) -> bool:
    """Whether every order ended and the proof holds. Raises one of FAILURES."""
    at_half = None
    if victim := options["kill_broker"]:
        broker_process(victim)  # one that is not there is told before anything is begun
        at_half = partial(kill_broker, victim, console)
    load(files, console)
    result = replay(files, console, options, at_half=at_half)
    left = wait_until_at_rest(options["stall"])
    print_complaints(console, files)
    print_result(console, result)
    print_memory(console, memory_of_stack())
    print_proof(console, proof := prove(AT_REST))
    if left:
        console.print(f"Still on the way: {', '.join(left)}.", style="red", highlight=False)
    return result.is_good and not left and proof.holds and not proof.unfinished
