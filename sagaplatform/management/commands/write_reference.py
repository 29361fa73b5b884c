from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from sagaplatform.reference.pages import FOLDER, PAGES


class Command(BaseCommand):
    help = "Write docs/reference from the code: settings, commands, metrics and messages."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.IS_WHOLE:
            raise CommandError("The reference is of the whole platform: leave SAGA_CONTEXTS empty.")
        for name, write in PAGES.items():
            (FOLDER / name).write_text(write())
            self.stdout.write(f"docs/reference/{name}")
