"""What a state of the search is made of. Everything in it is a value, and small."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from apps.contracts.base import Event, Message
from apps.messaging.barrier import Status
from apps.messaging.models import IntentStatus
from apps.messaging.request import Request
from apps.messaging.saga_log import Answer as Kept
from apps.sagas.state import SagaState

T = TypeVar("T")


class Numbered(Generic[T]):
    """Values by number, so that a state is a tuple of small numbers and quick to hash."""

    def __init__(self, key: Callable[[T], Hashable] = lambda value: value) -> None:
        self.key = key
        self.values: list[T] = []
        self.numbers: dict[Hashable, int] = {}

    def of(self, value: T) -> int:
        number = self.numbers.setdefault(self.key(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number

    def __getitem__(self, number: int) -> T:
        return self.values[number]


class Letter(NamedTuple):
    """A message that was sent: a command, or an event that tells of its request."""

    request: Request
    message: Message

    @property
    def told(self) -> bool:
        """Whether it is an event."""
        return isinstance(self.message, Event)

    @property
    def key(self) -> tuple[Any, ...]:
        return self.request, type(self.message), msgspec.json.encode(self.message)

    def __str__(self) -> str:
        again = f", generation {self.request.generation}" if self.request.generation > 1 else ""
        return f"{type(self.message).__name__} ({self.request.step}{again})"


class OpenCall(NamedTuple):
    """An outside call that a row stands for. Of letters the numbers."""

    request: Request  # that it answers
    asked: int
    key: str
    status: IntentStatus = IntentStatus.DUE
    touched: bool = False  # it may have been made
    lease: int = 0  # of the worker that has it in hand; 0: none has
    claims: int = 0
    undo: int | None = None
    fence: int | None = None


class StepRow(NamedTuple):
    """A row of a saga log with its call, and how often the step had its effect."""

    status: Status | None = None  # None: no row
    generation: int = 0
    kept: Kept = Kept()
    call: OpenCall | None = None
    done: int = 0
    undone: int = 0
    instead: int = 0  # undone in another way than by the outside call


class Taken(NamedTuple):
    """What the outside world remembers under one key."""

    key: str
    step: str
    gives_back: bool
    status: str


World = frozenset[Taken]
IN_FLIGHT, ACCEPTED, DECLINED = "in flight", "accepted", "declined"


Case = tuple[str, str, str]  # step, action, kind


class Record(NamedTuple):
    """A saga's row: its state, and whether a time is set at which it is looked at."""

    state: SagaState | None = None
    due: bool = False
    desk_due: bool = False
    cases: frozenset[Case] = frozenset()  # that are open


class State(NamedTuple):
    """Everything there is. Rows, world, record and letters are numbers."""

    rows: tuple[int, ...]
    world: int
    saga: int
    sent: frozenset[int]
    parked: tuple[tuple[str, int], ...] = ()  # actions in the dead letters: (step, generation)
    may_park: bool = False
    read: frozenset[tuple[str, int]] = frozenset()  # where nothing arrives twice for free
    wished: bool = False  # the customer wished to cancel
    wish_in_time: bool = False  # the customer wished to cancel while the pivot was not sent


class Move(NamedTuple):
    """One thing that can happen next."""

    text: str
    state: State
    optional: bool = False  # a person's choice or a fault: progress may not rely on it
    choice: str = ""  # the outside world's about an undo: progress may rely on neither
    complaint: str = ""  # a law that this move itself broke


class Configuration(NamedTuple):
    """What can happen in one search."""

    long: bool = False
    by_events: bool = False  # the services drive the saga, until the engine takes it over
    attempts: int = 1
    waits: bool = False  # refusals wait for a decision
    retries: int = 0  # by people, after a definite refusal
    raises: int = 0  # by people, of what stands on the desk
    cancel: bool = False
    compensate: bool = False  # people turn back, at the sent pivot by a Fence
    parking: bool = False
    skip: bool = False
    by_hand: bool = False  # people resolve, substitute and record outcomes
    declines: bool = False  # the outside world may refuse an undo
    pause: bool = False
    leases: bool = False  # a worker may lose its lease, and another takes over
    sparing: bool = False  # each message arrives once, and again only when it is sent again
