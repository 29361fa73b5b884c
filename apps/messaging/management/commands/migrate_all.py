"""Migrates every configured database, each with its own apps only."""

from typing import Any

from django.core.management import BaseCommand, call_command

from apps.messaging.context import configured_databases


class Command(BaseCommand):
    help = "Migrate every configured database (run it with DATABASE_ROLE=owner)."

    def handle(self, *args: Any, **options: Any) -> None:
        for alias in configured_databases():
            self.stdout.write(f"migrating {alias}")
            call_command(
                "migrate", database=alias, interactive=False, verbosity=options["verbosity"] - 1
            )
