"""The way out of a lost start, from a terminal."""

from typing import Any
from uuid import UUID

from django.core.management import BaseCommand, CommandError, CommandParser

from apps.messaging.errors import MessagingError
from apps.messaging.relay import relay
from apps.messaging.terminal import add_acting, check_texts, confirm, signed, why_refused
from apps.orders.errors import NoStartToTell
from apps.orders.services import tell_start_again


class Command(BaseCommand):
    help = (
        "Tell the start of the saga that places an order, or takes it back, again, where the "
        "engine never heard of it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("order", metavar="ORDER", help="order id, in full")
        add_acting(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        check_texts(options)
        try:
            signature = signed(options)
            order_id = order_id_of(options["order"])
            confirm(f"Tell the start of {order_id} again?", yes=options["yes"], out=self.stdout)
            tell_start_again(order_id=order_id, **signature)
        except (NoStartToTell, MessagingError) as refusal:
            raise CommandError(why_refused(refusal)) from refusal
        relay("orders").send_off()
        self.stdout.write("Done. Its case is closed when the engine has taken the order on.")


def order_id_of(text: str) -> UUID:
    """Raises CommandError."""
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{text!r} is no order id; the list of orders shows them.") from None
