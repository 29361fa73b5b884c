from typing import Any

from django.core.management import BaseCommand

from apps.messaging.metrics import serve_metrics
from apps.messaging.stopping import on_stop_signal
from apps.ops.alerts import AlertReader, chosen_ways, run_together


class Command(BaseCommand):
    help = "Send alerts on by mail and webhook, and into the log, until INT or TERM."

    def handle(self, *args: Any, **options: Any) -> None:
        serve_metrics()
        readers = [AlertReader(each) for each in chosen_ways()]

        def stop() -> None:
            for each in readers:
                each.stop()

        on_stop_signal(stop)
        run_together(readers)
