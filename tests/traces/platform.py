"""The platform's processes, told by the environment to trace."""

import json
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from tests.api.customer import BODY, Customer
from tests.otlp import Receiver
from tests.running import Platform
from tests.standin import VARIABLE

TOKEN = "a-secret-of-the-receiver"
GUNICORN = (
    "-m", "gunicorn", "sagaplatform.wsgi:application", "--workers", "1", "--threads", "2",
    "--worker-class", "gthread", "--no-control-socket",
)  # fmt: skip
# The shop of tests.e2e, in dollars.
LINES = [{"product_id": "tea", "quantity": 2, "unit_price_cents": 450}]
PATIENCE_SECONDS = 30
LOOK_SECONDS = 5


class TracedPlatform(Platform):
    """Consumers, a worker and a web server with a receiver for what they tell."""

    def __init__(
        self, owners: dict[str, psycopg.Connection], logs: Path, receiver: Receiver
    ) -> None:
        super().__init__(owners, logs)
        self.receiver = receiver
        self.environ = {
            "OTLP_ENDPOINT": receiver.address,
            "OTLP_HEADERS": f"x-token={TOKEN}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",  # milliseconds; a test does not want to wait
            "CARD_GATEWAY": "tests.standin.StandInGateway",
            VARIABLE: str(logs / "gateway.db"),
            "HTTPS": "0",
            "ALLOWED_HOSTS": "127.0.0.1",
        }

    def start_missing(self) -> None:
        super().start_missing()
        if "worker" not in self.processes:
            self.start_worker()
        if "web" not in self.processes:
            self.start_web()

    def start_worker(self) -> None:
        self.run("worker", sys.executable, "manage.py", "run_worker")

    def start_web(self) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.web = f"http://127.0.0.1:{port}"
        self.run("web", sys.executable, *GUNICORN, "--bind", f"127.0.0.1:{port}")
        self.wait_until(self._answers, "the web server")

    def order(self, traceparent: str, **changes: Any) -> int:
        """Place an order by HTTP, within a trace of the customer's; the status of the answer."""
        body = {**BODY, "currency": "USD", "lines": LINES, "payment_method": "card",
                "card": "pm_card_visa", **changes}  # fmt: skip
        return self._post("orders", body, traceparent)

    def cancel(self, order_id: UUID, traceparent: str) -> int:
        """Wish to cancel an order in the same way."""
        return self._post(f"orders/{order_id}/cancellations", {}, traceparent)

    def _post(self, path: str, body: dict[str, Any], traceparent: str) -> int:
        request = urllib.request.Request(
            f"{self.web}/api/v1/{path}",
            json.dumps(body).encode(),
            {
                "Authorization": f"Token {self.customer.token}",
                "Content-Type": "application/json",
                "Idempotency-Key": traceparent,
                "traceparent": traceparent,
                "baggage": "mail=ada@example.com",
                "User-Agent": "Ada's browser",
            },
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return int(answer.status)

    def look(self, path: str) -> int:
        """Ask for a page as a browser does; the status of the answer."""
        try:
            with urllib.request.urlopen(self.web + path, timeout=PATIENCE_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def log(self, name: str) -> str:
        """What a process has logged."""
        return (self.logs / f"{name}.log").read_text()

    def sign_in(self) -> None:
        """A customer with a token."""
        self.customer = Customer("ada")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.web}/health/live", timeout=LOOK_SECONDS):
                return True
        except OSError:  # not listening yet, or its worker is still starting
            return False
