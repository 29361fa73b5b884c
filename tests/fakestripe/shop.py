"""A shop's endpoint for webhooks: takes them, says what it is told to, and checks signatures."""

import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import stripe

PATIENCE = 60.0


class Shop:
    """Listens on a free port. `says` are the next statuses; then all is well."""

    secret = "whsec_of_the_tests"

    def __init__(self, port: int = 0) -> None:
        self.says: deque[int] = deque()
        self.taken: list[tuple[bytes, str]] = []
        self.refused = 0
        self.news = threading.Condition()
        shop = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(shop.take(body, self.headers["Stripe-Signature"]))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Tests say what they want to know."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Door)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/webhooks/stripe"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def take(self, body: bytes, signature: str) -> int:
        with self.news:
            status = self.says.popleft() if self.says else 200
            if status == 200:
                self.taken.append((body, signature))
            else:
                self.refused += 1
            self.news.notify_all()
        return status

    def wait_for(self, number: int) -> list[stripe.Event]:
        """The first events, once so many were taken; each has a good signature."""
        with self.news:
            arrived = self.news.wait_for(lambda: len(self.taken) >= number, PATIENCE)
            assert arrived, f"only {self.types()} arrived"
            return [self.read(*each) for each in self.taken]

    def wait_until_refused(self, number: int) -> None:
        with self.news:
            assert self.news.wait_for(lambda: self.refused >= number, PATIENCE)

    def read(self, body: bytes, signature: str) -> stripe.Event:
        """The event, by the SDK, which raises where the signature is not right."""
        return stripe.Webhook.construct_event(body, signature, self.secret)

    def types(self) -> list[str]:
        return [self.read(*each).type for each in self.taken]

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
