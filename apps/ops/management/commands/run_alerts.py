from typing import Any

from django.core.management import BaseCommand

from apps.messaging.metrics import serve_metrics
from apps.messaging.stopping import on_stop_signal
from apps.ops.alerts import AlertReader


class Command(BaseCommand):
    help = "Send alerts on by mail and webhook, until INT or TERM."

    def handle(self, *args: Any, **options: Any) -> None:
        serve_metrics()
        reader = AlertReader()
        on_stop_signal(reader.stop)
        reader.run()
