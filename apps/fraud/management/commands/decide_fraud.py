"""A person's decision on an order that the rules could not decide on, from a terminal."""

from typing import Any
from uuid import UUID

from django.core.management import BaseCommand, CommandError, CommandParser

from apps.fraud.errors import NoSuchReview
from apps.fraud.models import Review
from apps.fraud.selectors import open_review
from apps.fraud.services import decide_review
from apps.messaging.display import money
from apps.messaging.errors import MessagingError
from apps.messaging.terminal import (
    add_acting,
    check_texts,
    confirm,
    id_shown_by,
    signed,
    why_refused,
)


class Command(BaseCommand):
    help = "Clear or refuse an order that waits for a person's decision."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("decision", choices=["clear", "refuse"])
        id_of_order = id_shown_by("the column order of `manage.py sagas list`")
        parser.add_argument("order", type=id_of_order, metavar="ORDER", help="order id, in full")
        add_acting(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        check_texts(options)
        try:
            signature = signed(options)
            review = review_of(options["order"])
            self.stdout.write(described(review))
            decision = options["decision"]
            confirm(f"{decision.title()} the order?", yes=options["yes"], out=self.stdout)
            status = decide_review(
                review_id=review.pk, clear=decision == "clear", version=review.version, **signature
            )
        except MessagingError as refusal:
            raise CommandError(why_refused(refusal)) from refusal
        self.stdout.write(f"Done: it is {status}. Its saga goes on within seconds.")


def review_of(order_id: UUID) -> Review:
    """What is to be decided on an order. Raises NoSuchReview."""
    if found := open_review(order_id):
        return found
    raise NoSuchReview(order=str(order_id))


def described(review: Review) -> str:
    """What is decided, and what speaks against it."""
    amount = money(review.total_cents, review.currency)
    told = f"Order {review.order_id}: {amount}, to {review.country}."
    return "\n".join([told, *(f"- {each}" for each in review.reasons)])
