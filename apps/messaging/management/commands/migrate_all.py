"""Migrates every configured database, each with its own apps only."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from apps.messaging.context import configured_databases


class Command(BaseCommand):
    help = "Migrate every configured database (run it with DATABASE_ROLE=owner)."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DATABASE_ROLE != "owner":
            raise CommandError(
                "Tables are made by the databases' owners: run it with DATABASE_ROLE=owner and "
                "DATABASE_OWNER_URL_<CONTEXT> of each."
            )
        if not configured_databases():
            raise CommandError(
                "No database is configured for DATABASE_ROLE=owner: set DATABASE_OWNER_URL_…"
            )
        for alias in configured_databases():
            self.stdout.write(f"migrating {alias}")
            call_command(
                "migrate", database=alias, interactive=False, verbosity=options["verbosity"] - 1
            )
