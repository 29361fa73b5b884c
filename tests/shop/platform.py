"""A platform of a few lines, over real HTTP: what a replay meets, without the services behind."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, Any]]


class FakePlatform:
    """Accepts orders under their keys. `answer_to` may answer a request instead; `end_of` says how
    an order ends: `confirmed`, a refusing event's type, or None while it is under way."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: dict[str, dict[str, Any]] = {}  # by Idempotency-Key
        self.posts: Counter[str] = Counter()  # by Idempotency-Key
        self.tokens: dict[str, str] = {}  # by Idempotency-Key
        self.answer_to: Callable[[str], Answer | None] = lambda key: None
        self.end_of: Callable[[str], str | None] = lambda key: "confirmed"
        self.cancel: Callable[[str], Answer] = lambda key: (202, {"status": "requested"})
        self.wish_of: Callable[[str], str | None] = lambda key: None
        self.payment_of: Callable[[str], Answer] = lambda key: (404, {})
        self.cards: dict[str, str] = {}  # given in place of a declined one, by Idempotency-Key
        self.bank: dict[str, str] = {}  # the customer's answer, by Idempotency-Key
        self.lock = threading.Lock()

    def place(self, key: str, token: str, body: dict[str, Any]) -> Answer:
        with self.lock:
            self.posts[key] += 1
            self.tokens[key] = token
        if answer := self.answer_to(key):
            return answer
        self.bodies[key] = body
        return 202, {"id": key, "status": "placed"}

    def look(self, key: str) -> Answer:
        end, wish = self.end_of(key), self.wish_of(key)
        confirmed = end == "confirmed"
        return 200, {
            "status": ("confirmed" if confirmed else "cancelled") if end else "placed",
            "ended_at": datetime.now(UTC).isoformat() if end else None,
            "refusal": None if confirmed or not end else {"code": end, "reason": "No."},
            "cancellation": {"wish": {"status": wish} if wish else None},
        }


@contextmanager
def fake_platform() -> Iterator[FakePlatform]:
    """One that listens on a port of its own."""
    platform = FakePlatform()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            key = self.path.rpartition("/")[2]
            if self.path.startswith("/bank/"):
                platform.bank[key] = sent
                self._answer(303, {})
                return
            body = json.loads(sent)
            if self.path.endswith("/cards"):
                key = self.path.split("/")[-2]
                platform.cards[key] = body["card"]
                self._answer(*platform.payment_of(key))
                return
            token = self.headers["Authorization"]
            if self.path.endswith("/cancellations"):
                self._answer(*platform.cancel(self.path.split("/")[-2]))
                return
            self._answer(*platform.place(self.headers["Idempotency-Key"], token, body))

        def do_GET(self) -> None:
            key = self.path.rpartition("/")[2]
            asked = platform.payment_of if "/payments/" in self.path else platform.look
            self._answer(*asked(key))

        def log_message(self, *args: object) -> None:
            """Nothing: the tests look at what came."""

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    platform.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
