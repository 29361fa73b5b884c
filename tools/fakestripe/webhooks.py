"""Sends events to the shop: signed, again until they are taken, one payment's one after another."""

import asyncio
import json
from contextlib import suppress
from sqlite3 import Row

from aiohttp import ClientError, ClientSession, ClientTimeout
from stripe import WebhookSignature

from .clock import Clock
from .store import Json, Store

PATIENCE = ClientTimeout(total=10)
FIRST_RETRY = 1.0  # seconds by the server's clock; doubled each time
LONGEST_PAUSE = 60 * 60.0
GIVEN_UP_AFTER = 3 * 24 * 60 * 60.0
TICK = 0.2  # real seconds between two looks at the clock
SIDE_BY_SIDE = 8
TAKEN = range(200, 300)


class Webhooks:
    """The deliveries that are due, sent in the background."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.woken = asyncio.Event()
        self.busy: set[str] = set()  # payments of which a delivery is under way
        self.sending: set[int] = set()  # deliveries under way
        self.running: set[asyncio.Task[None]] = set()
        self.session: ClientSession | None = None

    def wake(self) -> None:
        """Look for what is due now."""
        self.woken.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        # No answer waits any more for what a server before this one was about to send.
        self.store.execute("UPDATE deliveries SET early = 0")
        async with ClientSession(timeout=PATIENCE) as self.session:
            try:
                while True:
                    self._start_due()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.woken.wait(), TICK)
                    self.woken.clear()
            finally:
                for task in self.running:
                    task.cancel()
                await asyncio.gather(*self.running, return_exceptions=True)

    async def deliver_early(self) -> None:
        """Send those that the API's answer has to wait for, once."""
        for row in self._due("early = 1 AND attempts = 0"):
            await self._send(row)

    # --- pieces

    def _due(self, condition: str = "true") -> list[Row]:
        """What is to be sent: also what waited to be overtaken, and waited long enough."""
        return self.store.rows(
            f"SELECT * FROM deliveries WHERE ({condition}) "  # noqa: S608 -- from our code
            "AND status IN ('due', 'behind') AND due <= ? ORDER BY number",
            self.clock.now(),
        )

    def _start_due(self) -> None:
        for row in self._due("early = 0 OR attempts > 0"):
            if len(self.running) >= SIDE_BY_SIDE:
                return
            if row["payment"] not in self.busy:
                self.busy.add(row["payment"])
                task = asyncio.create_task(self._send_one(row))
                self.running.add(task)
                task.add_done_callback(self.running.discard)

    async def _send_one(self, row: Row) -> None:
        try:
            await self._send(row)
        finally:
            self.busy.discard(row["payment"])
            self.wake()

    async def _send(self, row: Row) -> None:
        """Send it, unless it is under way already."""
        if row["number"] in self.sending:
            return
        event = self.store.find("event", row["event"])
        if event is None:  # all was forgotten meanwhile
            return
        self.sending.add(row["number"])
        try:
            answer, taken = await self._post(event.body)
            self._record(row, event.body["created"], answer, taken=taken)
        finally:
            self.sending.discard(row["number"])

    async def _post(self, event: Json) -> tuple[str, bool]:
        """Send an event once; returns what came back, and whether that is a yes."""
        assert self.session is not None, "deliveries begin with run()"
        payload = json.dumps(event)
        secret = self.store.setting("webhook_secret", "")
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            # The receiver compares the signature's time with the machine's clock, not with ours.
            "Stripe-Signature": WebhookSignature.generate_signature_header(payload, secret),
            "User-Agent": "Stripe/1.0 (fakestripe)",
        }
        url = self.store.setting("webhook_url", "")
        try:
            async with self.session.post(
                url, data=payload, headers=headers, allow_redirects=False
            ) as response:
                return str(response.status), response.status in TAKEN
        except (ClientError, TimeoutError, OSError) as error:
            return type(error).__name__, False

    def _record(self, row: Row, created: int, answer: str, *, taken: bool) -> None:
        attempts, age = row["attempts"] + 1, self.clock.now() - created
        status = "sent" if taken else "due" if age < GIVEN_UP_AFTER else "given_up"
        with self.store.transaction():
            self.store.execute(
                "UPDATE deliveries SET status = ?, attempts = ?, answer = ?, due = ? "
                "WHERE number = ?",
                status, attempts, answer, self.clock.now() + pause_after(attempts), row["number"],
            )  # fmt: skip
            if taken:
                self._let_follow(row)

    def _let_follow(self, row: Row) -> None:
        """What waited to be overtaken by a later delivery about the same payment is due."""
        self.store.execute(
            "UPDATE deliveries SET status = 'due', due = ? "
            "WHERE status = 'behind' AND payment = ? AND number < ?",
            self.clock.now(), row["payment"], row["number"],
        )  # fmt: skip


def pause_after(attempts: int) -> float:
    """How long until the next attempt, in seconds of the server's clock."""
    return min(FIRST_RETRY * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)
