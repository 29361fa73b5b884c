"""Takes a second factor away from whoever has lost it."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management import BaseCommand, CommandError, CommandParser

from apps.messaging.errors import ReasonMissing
from apps.messaging.terminal import add_acting, confirm, signed
from sagaplatform.second_factor.devices import reset


class Command(BaseCommand):
    help = (
        "Delete somebody's authenticator and recovery codes. Make sure that it is them who ask:"
        " afterwards their password alone lets them set up a new one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        add_acting(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        try:
            user = User.objects.get(username=name)
            signature = signed(options)
        except User.DoesNotExist as error:
            raise CommandError(f"There is no user {name!r}.") from error
        except ReasonMissing as error:
            raise CommandError(str(error.__doc__)) from error
        confirm(f"Delete the second factor of {name}?", yes=options["yes"], out=self.stdout)
        if not reset(user=user, **signature):
            raise CommandError(f"{name} has no second factor.")
        self.stdout.write(f"{name} has no second factor any more, and sets up a new one next time.")
