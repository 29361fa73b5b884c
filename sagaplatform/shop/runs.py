"""The two halves of a demonstration: open the shop, replay the baskets."""

import argparse
import math
import os
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from rich.console import Console

from sagaplatform.shop.breaking import AtHalf, NoSuchBroker
from sagaplatform.shop.cards import Payment
from sagaplatform.shop.client import ShopClient, Unreachable
from sagaplatform.shop.customers import UnknownHouseholds, lent_tokens
from sagaplatform.shop.files import ShopFiles, positive
from sagaplatform.shop.load import open_shop
from sagaplatform.shop.modes import DemoMode, drive
from sagaplatform.shop.problems import UnusableFile
from sagaplatform.shop.progress import progress_on
from sagaplatform.shop.replay import Replay, Settings
from sagaplatform.shop.result import Result
from sagaplatform.shop.rules import demand_of, shop_for
from sagaplatform.shop.tables import print_complaints, print_shop
from sagaplatform.shop.trouble import NoStandIn


class NoAddress(Exception):
    """Nobody said where the platform is: give --url http://127.0.0.1:8000, or set WEB_PORT."""


FAILURES = (UnusableFile, UnknownHouseholds, Unreachable, NoAddress, NoSuchBroker, NoStandIn)


def load(files: ShopFiles, console: Console) -> None:
    """Open the shop and say what it has. Raises UnusableFile."""
    products = files.read_products()
    demand = demand_of(files.read_baskets(products), products)
    shop = shop_for(demand)
    open_shop(shop, products)
    print_complaints(console, files)
    print_shop(console, demand, shop)


def replay(
    files: ShopFiles,
    console: Console,
    options: dict[str, Any],
    *,
    at_half: Callable[[], None] | None = None,
) -> Result:
    """Place all baskets and wait for the orders; `at_half` is called when half are placed.

    Raises one of FAILURES.
    """
    client = ShopClient(address(options["url"]))
    if options["mode"]:
        drive(DemoMode(options["mode"]))
    products = files.read_products()
    total = sum(1 for _ in files.read_baskets(products))
    settings = Settings(
        run=options["run"] or uuid4().hex,
        concurrency=options["concurrency"],
        rate=options["rate"],
        cancel=options["cancel"],
        stall=options["stall"],
        payment=Payment(options["payment"]),
    )
    with lent_tokens() as tokens, progress_on(console, total) as progress:
        told = AtHalf(progress, total, at_half) if at_half else progress
        run = Replay(client, settings, told)
        return run.run(files.read_baskets(products), tokens.of)


def add_replay_arguments(parser: argparse.ArgumentParser) -> None:
    """How orders are placed."""
    add = parser.add_argument
    add("--url", help="of the platform; without it, this machine's WEB_PORT")
    add("--rate", type=positive_number, metavar="R", help="orders per second at most")
    add("--concurrency", type=positive, default=16, metavar="C", help="requests at once")
    add(
        "--stall",
        type=positive_number,
        default=60.0,
        metavar="SECONDS",
        help="give up when no order ends for so long",
    )
    modes = [str(each) for each in DemoMode]
    add("--mode", choices=modes, help="who drives the orders from now on; as it is set")
    add(
        "--cancel",
        type=percent,
        default=0,
        metavar="PERCENT",
        help="of the orders are wished to be cancelled, each at a random moment",
    )
    add(
        "--payment",
        choices=[str(each) for each in Payment],
        default=str(Payment.CREDIT),
        help="store credit, one of Stripe's test cards, or half and half",
    )
    add("--run", default="", metavar="NAME", help="the same name again places no basket twice")


def address(given: str | None) -> str:
    """The platform's address. Raises NoAddress."""
    if given:
        return given
    if port := os.environ.get("WEB_PORT"):
        return f"http://127.0.0.1:{port}"
    raise NoAddress(NoAddress.__doc__)


def percent(text: str) -> int:
    """An argument that is a whole number from 0 to 100."""
    if not (text.isdecimal() and int(text) <= 100):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 100, not {text!r}")
    return int(text)


def positive_number(text: str) -> float:
    """An argument that is a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value
