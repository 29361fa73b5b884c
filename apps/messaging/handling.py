"""What a context writes: handlers that decide in plain Python about one request at a time.

A handler is three small things. Its workspace *loads* the business rows that a batch of requests
concerns, locked in key order; the handler *decides* each request against that workspace and
returns the answer; the workspace *saves* what was decided in one or two statements. Claiming,
waves, answers, outbox, retry and parking are the messaging layer's; a handler never sees them:

    def reserve_stock(command: ReserveStock, shelves: Shelves) -> StockReserved | Refusal:
        if short := shelves.shortage(command.lines):
            return StockReservationFailed(short=short)
        shelves.reserve(command.lines)
        return StockReserved(lines=command.lines)

    COMMANDS = {ReserveStock: Handler(reserve_stock, Shelves)}
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import msgspec

from apps.contracts.base import Event, Message
from apps.messaging.database import Database
from apps.messaging.request import Request


class Task(msgspec.Struct, frozen=True):
    """A request with its message, as a workspace sees it while loading."""

    request: Request
    message: Message


class Workspace(ABC):
    """The business rows of one batch: loaded under lock, decided upon, saved.

    Everything happens in one transaction of the context's database. `load` may be called again
    for fewer tasks when one of them failed, so it must change nothing.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.request: Request  # the one being decided: set before each handler is called

    @classmethod
    @abstractmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        """Lock and read what the tasks concern, in key order, so that no two batches deadlock."""

    @abstractmethod
    def save(self) -> None:
        """Write all that was decided. After a database error the batch is split and tried again."""


Decide = Callable[[Any, Any], Event | None]


@dataclass(frozen=True, slots=True)
class Handler:
    """Decides a command, or the compensation of one.

    `decide(command, workspace)` returns the answer: success, or a typed Refusal, which must have
    changed nothing in the workspace. It is called at most once per request that takes effect. An
    exception means something unexpected: nothing of this request is kept, it is tried again, then
    parked.
    """

    decide: Decide
    workspace: type[Workspace]


@dataclass(frozen=True, slots=True)
class Reaction:
    """Decides what a context does of itself on hearing an event, once per saga.

    `decide(event, workspace)` returns an event to tell, or None. `step` names its row in the
    saga log; it is in no plan.
    """

    step: str
    decide: Decide
    workspace: type[Workspace]


class Heard(msgspec.Struct, frozen=True):
    """An event as a listener sees it."""

    message_id: UUID
    request: Request  # the step that it tells of, and what was asked about it
    event: Event
    plan: str  # as in the header
    traceparent: str


class Outgoing(msgspec.Struct, frozen=True):
    """A message that a listener sends: the messaging layer adds ids and trace."""

    message: Message
    request: Request
    plan: str


@dataclass(frozen=True, slots=True)
class Listener:
    """Folds events into rows of its own: no barrier, so it must come out the same however often
    and in whatever order they arrive.

    `hear(heard, workspace)` returns what to send. A message that cannot be heard is parked alone;
    it never holds up its saga.
    """

    hear: Callable[[Heard, Any], Iterable[Outgoing]]
    workspace: type[Workspace]
