"""Proves that what the databases say adds up, or names what does not."""

import argparse
import json
import sys
import time
from datetime import timedelta
from typing import Any

import stripe
from django.core.management import BaseCommand, CommandError, CommandParser
from rich.console import Console

from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from apps.ops.conservation.record import write_down
from apps.ops.conservation.tables import print_proof


class Command(BaseCommand):
    help = (
        "Check the conservation laws across all databases and, with STRIPE_API_KEY set, Stripe's "
        "books. Changes nothing but the list of such checks; any time will do. The exit status is "
        "1 if one is broken."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the proof as JSON, and only it")
        parser.add_argument(
            "--moment",
            type=seconds,
            default=Patience().moment,
            metavar="SECONDS",
            help="leave out sagas that ended later than so long ago (default 3)",
        )
        parser.add_argument(
            "--overdue",
            type=seconds,
            default=Patience().overdue,
            metavar="SECONDS",
            help="how long a message may wait in an outbox (default 30)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        try:
            proof = prove(Patience(options["moment"], options["overdue"]))
        except stripe.StripeError as error:
            raise CommandError(f"Stripe does not answer, so nothing is proved: {error}") from error
        write_down(proof, timedelta(seconds=time.monotonic() - began))
        if options["json"]:
            self.stdout.write(json.dumps(proof.as_json(), indent=2))
        else:
            print_proof(Console(), proof)
        if not proof.holds:
            sys.exit(1)


def seconds(text: str) -> timedelta:
    """An argument that is a number of seconds, not below 0."""
    told = f"must be a number of seconds from 0 on, not {text!r}"
    try:
        found = timedelta(seconds=float(text))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(told) from error
    if found < timedelta(0):
        raise argparse.ArgumentTypeError(told)
    return found
