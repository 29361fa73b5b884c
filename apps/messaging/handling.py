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
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import msgspec

from apps.contracts.base import Event, Message, TakesBack
from apps.messaging.database import Database
from apps.messaging.providers import Provider
from apps.messaging.request import Request


class Task(msgspec.Struct, frozen=True):
    """A request with its message, as a workspace sees it while loading.

    Where the outcome of an outside call is recorded, the message is the Call.
    """

    request: Request
    message: msgspec.Struct

    @property
    def about(self) -> UUID:
        """The saga whose rows it is about: its own, or the one that it takes back."""
        message = self.message
        return message.placed_by if isinstance(message, TakesBack) else self.request.saga_id


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


class CallOutside(msgspec.Struct, frozen=True):
    """What a handler returns in place of an answer: the step stands and falls with a call to the
    outside world, which a worker makes after the commit."""

    operation: str  # a name in the context's CALLS
    subject: str  # what it is about; calls about one subject are made one after the other
    details: msgspec.Struct  # what the call needs; nothing personal beyond that


Decide = Callable[[Any, Any], "Event | CallOutside | None"]


@dataclass(frozen=True, slots=True)
class Handler:
    """Decides a command, or the compensation of one.

    `decide(command, workspace)` returns the answer: success, or a typed Refusal, which must have
    changed nothing in the workspace; or CallOutside, having changed nothing that would have to be
    undone if the call is withdrawn (of a step behind the pivot, where none is, it may note what is
    on its way). It is called at most once per request that takes effect. An exception means
    something unexpected: nothing of this request is kept, it is tried again, then parked.
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
    inputs: str = ""  # what it carried for the steps behind it


class Outgoing(msgspec.Struct, frozen=True):
    """A message that a listener sends: the messaging layer adds ids and trace."""

    message: Message
    request: Request
    plan: str
    topic: str = ""  # of a message that belongs to any step


@dataclass(frozen=True, slots=True)
class Listener:
    """Folds events into rows of its own: no barrier, so it must come out the same however often
    and in whatever order they arrive.

    `hear(heard, workspace)` returns what to send. A message that cannot be heard is parked alone;
    it never holds up its saga.
    """

    hear: Callable[[Heard, Any], Iterable[Outgoing]]
    workspace: type[Workspace]


class Call(msgspec.Struct, frozen=True):
    """A call to the outside world as the one who makes it sees it."""

    request: Request
    operation: str
    subject: str
    key: str  # the same for every repetition of this call, and for no other
    details: Any  # as the handler gave them
    attempt: int  # 1 is the first
    called_at: datetime  # when it was first made, by the database's clock
    unwanted: bool  # its step is being undone: make its outcome definite, best by closing it


class ByHand(msgspec.Struct, frozen=True):
    """The outcome of a call as a person found it: it took effect."""

    evidence: str


class StillWaiting(Exception):
    """The outside world needs more time, for a reason that is no fault.

    `untouched`: it was not called at all, so that the call can still be withdrawn.
    """

    def __init__(self, reason: str, until: datetime, *, untouched: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.until, self.untouched = reason, until, untouched


@dataclass(frozen=True, slots=True)
class OutsideCall:
    """How one operation is carried out outside, and what its outcome means.

    `make(call)` asks the outside world, in no transaction, and returns its definite answer. It
    raises StillWaiting where more time is needed. Any other exception means that the outcome is
    not known: it is asked again later, under the same key; and that the provider may be ill, but
    for AskedInVain. It may be called more than once at the same time.

    `record(call, outcome, workspace)` decides what the answer means, as a handler does: the step's
    success, its Refusal, or of an undo its Undone event or UndoRefused. The outcome is what `make`
    returned, or ByHand.
    """

    make: Callable[[Call], Any]
    record: Callable[[Call, Any, Any], Event]
    workspace: type[Workspace]
    details: type[msgspec.Struct]
    longest: float  # seconds that one call takes at most
    steps: frozenset[str]  # that stand and fall with it
    provider: Provider  # whom it calls
    personal: str = ""  # the field of the details that is kept no longer than the call is open

    @property
    def lease(self) -> float:
        """Seconds for which a worker has a call to itself: more than two of the longest."""
        return 2 * self.longest + 5
