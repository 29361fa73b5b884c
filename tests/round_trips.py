"""How often a process waits for a database: a wire in between that sees who speaks."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import connections

from apps.messaging.database import Database

MOST_BYTES = 65536
PATIENCE_SECONDS = 60


class Wire:
    """Leads connections to a server on this machine, and counts how often the client asked anew
    after an answer: what is sent without waiting for answers counts once."""

    def __init__(self, port: int) -> None:
        self.trips = 0
        self._port = port
        self._answered = True
        self._lock = threading.Lock()
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.settimeout(PATIENCE_SECONDS)
        self.port: int = self._door.getsockname()[1]
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()

    def close(self) -> None:
        """When its client has gone."""
        self._door.close()
        self._serving.join()

    def _serve(self) -> None:
        client, _ = self._door.accept()
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            asking = threading.Thread(target=self._lead, args=(client, server, True))
            asking.start()
            self._lead(server, client, False)
            asking.join()

    def _lead(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        while said := source.recv(MOST_BYTES):
            with self._lock:
                self.trips += asks and self._answered
                self._answered = not asks
            target.sendall(said)
        with suppress(OSError):  # the other side has gone first
            target.shutdown(socket.SHUT_WR)


@contextmanager
def counted(alias: str) -> Iterator[Wire]:
    """This thread's connection to a database, with a wire in between."""
    address = connections.settings[alias]
    before = address["PORT"]
    wire = Wire(int(before))
    Database(alias).reconnect()
    address["PORT"] = str(wire.port)
    connections[alias].ensure_connection()
    wire.trips = 0
    try:
        yield wire
    finally:
        Database(alias).reconnect()
        address["PORT"] = before
        wire.close()
