"""Starts a server and works its switches, from a test or a script.

with Server.start("carrier.sqlite3") as server:
    server.control.fault("book", "answer_lost")
    ...
    assert server.control.ledger()["booked_twice"] == []
"""

from typing import Any

from tools.fakestripe import client

Json = client.Json


class Control(client.Control):
    """The control API of a running server: faults, release and clock as with fakestripe. Raises
    ValueError for what makes no sense to it."""

    def set(self, **settings: Any) -> None:
        """Change settings: collect_seconds, transit_seconds, ends, countries, most_pieces,
        webhook_url, webhook_secret."""
        self._call("POST", "settings", settings)

    def move(self, reference: str, stage: str) -> None:
        """Have something happen to a parcel now."""
        self._post(f"bookings/{reference}/move", stage=stage)

    def ledger(self) -> Json:
        """`bookings`, and `booked_twice`: client references with two that are not cancelled."""
        return self._call("GET", "ledger")

    def live(self) -> list[Json]:
        """The bookings that are not cancelled."""
        return [each for each in self.ledger()["bookings"] if each["status"] != "cancelled"]

    def events(self) -> list[Json]:
        """What has happened, and what became of its webhook."""
        return list(self._call("GET", "events")["events"])


class Server(client.Server):
    """A server in a process of its own, ended with the `with` block."""

    module = "tools.fakecarrier"
    control: Control
    control_type = Control
