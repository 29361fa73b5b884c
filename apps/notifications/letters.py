"""A message as a channel sends it, and what comes of that."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Timer
from typing import NamedTuple
from uuid import UUID

from apps.contracts.numbers import number_of
from apps.notifications.models import DispatchStatus, name_of


class Letter(NamedTuple):
    """A message on its way to an address."""

    kind: str
    order_id: UUID
    saga_id: UUID
    subject: str
    body: str  # plain text, as in the inbox
    facts: dict[str, str]
    written_at: datetime
    address: str

    @property
    def key(self) -> str:
        """The same for every copy of this message, and for no other."""
        return name_of(self.kind, self.order_id, self.saga_id)

    @property
    def number(self) -> str:
        """The order's, for people."""
        return number_of(self.order_id)


class Outcome(NamedTuple):
    """What came of a call. `queued`: definitely not taken, so it is tried again."""

    status: DispatchStatus
    code: str = ""  # as it was answered, without any address
    bad_address: bool = False  # it takes nothing, today or tomorrow


@contextmanager
def cut_off_after(seconds: float, socket_of: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Ends what is open after that time: timeouts are for each read, and to a server that sends a
    byte now and then one would listen for ever."""

    def cut_off() -> None:
        if found := socket_of():
            with suppress(OSError):  # closed by now
                found.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
