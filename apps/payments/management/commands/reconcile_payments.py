"""Compares the gateway's books with ours, or says that there is no gateway."""

import json
import sys
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

import stripe
from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from apps.messaging.relay import relay
from apps.payments.reconciliation import GRACE, WINDOW, Outcome, reconcile

LONGEST = timedelta(days=3650)


def hours(given: str) -> timedelta:
    """So many hours. Raises ArgumentTypeError for what is no such time."""
    return _time(given, timedelta(hours=1))


def seconds(given: str) -> timedelta:
    """So many seconds. Raises ArgumentTypeError for what is no such time."""
    return _time(given, timedelta(seconds=1))


def _time(given: str, unit: timedelta) -> timedelta:
    try:
        number = float(given)
    except ValueError:
        raise ArgumentTypeError(f"{given!r} is no number") from None
    if not 0 <= number <= LONGEST / unit:
        raise ArgumentTypeError(f"{given} is not from 0 to {LONGEST / unit:.0f}")
    return number * unit


class Command(BaseCommand):
    help = (
        "Compare what Stripe holds, took and gave back with what payments says, in both "
        "directions. A difference that is seen twice comes onto the desk, once. The exit status is "
        "1 if there is one, 2 if Stripe does not answer, and 0 where no STRIPE_API_KEY is set."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the outcome as JSON, and only it")
        parser.add_argument(
            "--since", type=hours, default=WINDOW, metavar="HOURS",
            help="compare payments that were made in the last so many hours (default 24)",
        )  # fmt: skip
        parser.add_argument(
            "--grace", type=seconds, default=GRACE, metavar="SECONDS",
            help="leave out what moved later than so long ago (default 300)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.STRIPE_API_KEY:
            self._say(options, {"compared": None}, "No STRIPE_API_KEY is set: nothing to compare.")
            return
        try:
            outcome = reconcile(options["since"], options["grace"])
        except stripe.StripeError as error:
            raise CommandError(f"Stripe does not answer: {error}", returncode=2) from error
        relay("payments").send_off()
        self._say(options, outcome.as_json(), words(outcome))
        if outcome.differences:
            sys.exit(1)

    def _say(self, options: dict[str, Any], told: dict[str, Any], text: str) -> None:
        self.stdout.write(json.dumps(told, indent=2) if options["json"] else text)


def words(outcome: Outcome) -> str:
    """What was found, for people."""
    lines = [
        f"{outcome.compared:,} payments since {outcome.since:%Y-%m-%d %H:%M} UTC were compared; "
        f"{len(outcome.differences)} differ. {outcome.not_ours:,} at Stripe are not ours.",
        *(each.text for each in outcome.differences),
    ]
    if not outcome.complete:
        lines.append("There were more than are read at once: use a shorter --since.")
    return "\n".join(lines)
