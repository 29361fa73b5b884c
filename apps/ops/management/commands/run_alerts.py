import signal
from types import FrameType
from typing import Any

from django.core.management import BaseCommand

from apps.messaging.metrics import serve_metrics
from apps.ops.alerts import AlertReader


class Command(BaseCommand):
    help = "Send alerts on by mail and webhook, until INT or TERM."

    def handle(self, *args: Any, **options: Any) -> None:
        serve_metrics()
        reader = AlertReader()

        def on_signal(number: int, frame: FrameType | None) -> None:
            reader.stop()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        reader.run()
