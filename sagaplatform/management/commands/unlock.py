"""Lets somebody try again who was wrong too often."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from apps.messaging.errors import ReasonMissing
from apps.messaging.terminal import add_signature, signed
from sagaplatform.lock_out import unlock


class Command(BaseCommand):
    help = "Forget somebody's wrong passwords and codes, so that they may log in at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        add_signature(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        try:
            failures = unlock(username=name, **signed(options))
        except ReasonMissing as error:
            raise CommandError(str(error.__doc__)) from error
        if not failures:
            raise CommandError(f"{name} is not locked out: there are no wrong tries to forget.")
        self.stdout.write(f"{name} may log in again; wrong tries forgotten: {failures}.")
