from typing import Any

from django.core.management import BaseCommand

from sagaplatform.celery import app
from sagaplatform.management.commands.run_worker import check_work


class Command(BaseCommand):
    help = (
        "Send what the schedule says, until INT or TERM: that of the database default; without it,"
        " as the code has it. One is enough."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        check_work()
        app.Beat(quiet=True).run()
