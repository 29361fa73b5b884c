"""Tells the shop what has happened: signed, again until it is taken."""

import asyncio
import hashlib
import hmac
import json
import time
from contextlib import suppress
from sqlite3 import Row

from aiohttp import ClientError, ClientSession, ClientTimeout

from tools.fakestripe.faults import Faults

from .depot import Depot, reference_of

PATIENCE = ClientTimeout(total=10)
FIRST_RETRY, LONGEST_PAUSE = 1.0, 3600.0  # seconds by the server's clock; doubled each time
GIVEN_UP_AFTER = 3 * 24 * 3600.0
TICK = 0.1  # real seconds between two looks at the clock
SIDE_BY_SIDE = 16
LATE_SECONDS = 1.0
KINDS = ("twice", "late", "never", "forged", "old")


class Webhooks:
    """The events that are due, sent in the background, in no order."""

    def __init__(self, depot: Depot, faults: Faults) -> None:
        self.depot = depot
        self.store = depot.store
        self.faults = faults

    async def run(self) -> None:
        """Move parcels on and tell of it, until cancelled."""
        async with ClientSession(timeout=PATIENCE) as session:
            while True:
                self.depot.fire()
                due = self._due()
                await asyncio.gather(*(self._send(session, row) for row in due))
                if not due:
                    await asyncio.sleep(TICK)

    def _due(self) -> list[Row]:
        now = self.depot.clock.now()
        rows = self.store.rows(
            "SELECT * FROM events WHERE status = 'due' AND due <= ? ORDER BY number LIMIT ?",
            now, SIDE_BY_SIDE,
        )  # fmt: skip
        return [each for each in rows if self._goes_out(each)]

    def _goes_out(self, event: Row) -> bool:
        """Whether it is sent now; the first time faults are asked."""
        if event["attempts"] or event["fault"]:
            return True
        fault = self.faults.take("webhook", event["type"])
        if fault is None or fault.kind == "none":
            return True
        late = fault.lasts(LATE_SECONDS) if fault.kind == "late" else 0
        self.store.execute(
            "UPDATE events SET fault = ?, status = ?, copies = ?, due = due + ? WHERE number = ?",
            fault.kind, "withheld" if fault.kind == "never" else "due",
            2 if fault.kind == "twice" else 1, late, event["number"],
        )  # fmt: skip
        return False

    async def _send(self, session: ClientSession, event: Row) -> None:
        for _ in range(event["copies"]):
            answer, taken = await self._post(session, event)
        attempts = event["attempts"] + 1
        pause = min(FIRST_RETRY * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)
        now = self.depot.clock.now()
        given_up = now - event["created"] > GIVEN_UP_AFTER
        self.store.execute(
            "UPDATE events SET status = ?, attempts = ?, answer = ?, due = ?, fault = ? "
            "WHERE number = ?",
            "sent" if taken else "given_up" if given_up else "due", attempts, answer, now + pause,
            # A good copy follows one that was forged or too old.
            "none" if event["fault"] in ("forged", "old") else event["fault"], event["number"],
        )  # fmt: skip

    async def _post(self, session: ClientSession, event: Row) -> tuple[str, bool]:
        """Send an event once; what came back, and whether that is a yes."""
        body = json.dumps(
            {
                "id": f"evt_{event['number']}_{int(event['created'] * 1000)}",
                "type": event["type"],
                "booking": {"reference": reference_of(event["booking"])},
            }
        )
        secret = self.store.setting("webhook_secret", "")
        seconds = int(time.time()) - (3600 if event["fault"] == "old" else 0)
        key = "somebody else's" if event["fault"] == "forged" else secret
        headers = {
            "Content-Type": "application/json",
            "Carrier-Signature": signature(body, key, seconds),
        }
        with suppress(ClientError, TimeoutError, OSError):
            url = self.store.setting("webhook_url", "")
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as said:
                return str(said.status), 200 <= said.status < 300
        return "no answer", False


def signature(body: str, secret: str, seconds: int) -> str:
    """`t=<seconds>,v1=<hex>`: HMAC-SHA256 over time, a dot and the body."""
    told = hmac.new(secret.encode(), f"{seconds}.{body}".encode(), hashlib.sha256)
    return f"t={seconds},v1={told.hexdigest()}"
