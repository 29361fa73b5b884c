from typing import Any

from django.core.management import BaseCommand

from sagaplatform.reference.pages import FOLDER, PAGES


class Command(BaseCommand):
    help = "Write docs/reference from the code: settings, commands, metrics and messages."

    def handle(self, *args: Any, **options: Any) -> None:
        for name, write in PAGES.items():
            (FOLDER / name).write_text(write())
            self.stdout.write(f"docs/reference/{name}")
