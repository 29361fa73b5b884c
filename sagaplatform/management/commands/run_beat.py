from typing import Any

from django.core.management import BaseCommand

from sagaplatform.celery import app


class Command(BaseCommand):
    help = "Send what the schedule in the database says, until INT or TERM. One is enough."

    def handle(self, *args: Any, **options: Any) -> None:
        app.Beat(quiet=True).run()
