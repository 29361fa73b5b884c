"""The demonstration: opens the shop, replays real baskets, and proves that all has ended well."""

import sys
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser
from rich.console import Console

from apps.ops.conservation.check import prove
from apps.ops.conservation.drain import wait_until_at_rest
from apps.ops.conservation.proof import Patience
from apps.ops.conservation.tables import print_proof
from apps.sagas.selectors import drivers
from sagaplatform.shop.breaking import broker, broker_process, kill_broker
from sagaplatform.shop.cards import CARD_RULE, Payment
from sagaplatform.shop.files import DATA, ShopFiles, add_file_arguments, readable
from sagaplatform.shop.memory import memory_of_stack
from sagaplatform.shop.runs import FAILURES, add_replay_arguments, load, percent, replay
from sagaplatform.shop.tables import (
    print_account,
    print_complaints,
    print_drivers,
    print_memory,
    print_result,
)
from sagaplatform.shop.trouble import Gateway, NoStandIn

ORDERS = 500
STALL_WITH_FAULTS = 180.0  # seconds
# Everything is at rest: the youngest saga is looked at too, and nothing may be missing any more.
AT_REST = Patience(moment=timedelta(0), shipping=timedelta(0), gateway=timedelta(0))


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
            type=broker,
            metavar="NUMBER",
            help="kill this broker of the local Kafka when half of the orders are placed",
        )
        parser.add_argument(
            "--faults",
            type=percent,
            default=0,
            metavar="PERCENT",
            help="of the calls to the stand-in for Stripe, and of its webhooks, meet each kind of "
            "fault",
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
    gateway = _gateway(options)
    if options["faults"]:  # who is not answered is asked again more and more slowly
        options = {**options, "stall": max(options["stall"], STALL_WITH_FAULTS)}
    at_half = None
    if victim := options["kill_broker"]:
        broker_process(victim)  # one that is not there is told before anything is begun
        at_half = partial(kill_broker, victim, console)
    load(files, console)
    if options["payment"] != Payment.CREDIT:
        console.print(CARD_RULE, highlight=False)
    with gateway.trouble(options["faults"]) if gateway and options["faults"] else nullcontext():
        result = replay(files, console, options, at_half=at_half)
        left = wait_until_at_rest(options["stall"])
    print_complaints(console, files)
    print_result(console, result)
    if result.first_sent:
        print_drivers(console, drivers(since=result.first_sent))
    charged_once = _print_account(console, gateway)
    print_memory(console, memory_of_stack())
    print_proof(console, proof := prove(AT_REST))
    if left:
        console.print(f"Still on the way: {', '.join(left)}.", style="red", highlight=False)
    proven = proof.holds and not proof.unfinished
    return result.is_good and not left and proven and charged_once


def _gateway(options: dict[str, Any]) -> Gateway | None:
    """The stand-in for Stripe, where anything is paid by card through it. Raises NoStandIn."""
    if options["faults"] and not settings.STRIPE_API_BASE:
        raise NoStandIn(NoStandIn.__doc__)
    by_card = options["payment"] != Payment.CREDIT or options["faults"]
    return Gateway(settings.STRIPE_API_BASE) if by_card and settings.STRIPE_API_BASE else None


def _print_account(console: Console, gateway: Gateway | None) -> bool:
    """What the gateway was asked, and what went wrong there; whether nobody was charged twice."""
    if gateway is None:
        return True
    account = gateway.account()
    print_account(console, account)
    return account.double_charges == 0
