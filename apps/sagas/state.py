"""What is known of a saga, what can be said to it, and what it decides. Plain values."""

import enum
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from apps.contracts.base import Event, Message
from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.request import Request

FIRST_GENERATION = 1


class Status(enum.StrEnum):
    """Where a saga is."""

    RUNNING = "running"  # steps are being done; one request is pending
    AWAITING_DECISION = "awaiting_decision"  # a step was refused; a person may retry or skip it
    SKIPPING = "skipping"  # a step is being undone so that the saga can go on without it
    FENCING = "fencing"  # the pivot is asked for its outcome, or never to happen
    COMPENSATING = "compensating"  # it turned back; what was done is being undone
    STUCK = "stuck"  # a request keeps failing and a person should look; see `on_desk`
    CONFIRMED = "confirmed"  # every step of the plan is done, but skipped ones; the end
    UNDONE = "undone"  # no step of the plan has any effect left; the end


ENDED = (Status.CONFIRMED, Status.UNDONE)
LIVE = tuple(each for each in Status if each not in ENDED)


class Driver(enum.StrEnum):
    """Who drives a saga."""

    EVENTS = "events"  # the services, each on hearing its neighbours; its record follows the events
    ENGINE = "engine"  # by commands: from the start, or since it took the saga over, for good


class Outcome(enum.StrEnum):
    """What became of one request."""

    DONE = "done"  # the step had its effect
    REFUSED = "refused"  # a definite no; nothing was changed
    UNDONE = "undone"  # the effect was reversed
    NOTHING_TO_UNDO = "nothing_to_undo"  # there was none, and never will be
    HAPPENED = "happened"  # to a Fence: the step had its effect
    FENCED = "fenced"  # to a Fence: it has none, and never will
    WAITS = "waits"  # the answer comes later; the request stays open
    UNDO_REFUSED = "undo_refused"  # the outside world will not undo; the request stays open

    RECORD_REFUSED = "record_refused"  # a person's word is not taken; the request stays open


STAYS_OPEN = (Outcome.WAITS, Outcome.UNDO_REFUSED, Outcome.RECORD_REFUSED)


class Cause(msgspec.Struct, frozen=True):
    """What turned a saga back: a refusal, or that nothing came, or somebody's wish."""

    step: str
    type: str
    payload: str  # JSON
    reason: str  # for people


class OnDesk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A compensation that keeps failing and that a person should look at. It is still asked."""

    step: str
    generation: int
    attempt: int
    refused: bool = False  # a definite no: only a higher generation can change it
    command: str = ""  # the type of what is asked in place of the step's own compensation
    payload: str = ""  # and its fields as JSON

    def request(self, saga_id: UUID) -> Request:
        """What is asked."""
        return Request(saga_id, self.step, Action.UNDO, self.generation, Mode.ORCHESTRATED)


class Detours(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a saga beside the straight way; of most sagas nothing."""

    desk: tuple[OnDesk, ...] = ()
    generations: dict[str, int] = {}  # of steps that were retried
    skipped: tuple[str, ...] = ()
    cancel_wished: bool = False  # decided when the pivot has answered
    cancel_told: bool = False  # and what was decided is told
    cause: Cause | None = None  # why the pivot is being fenced
    resume_at: str = ""  # the step that is asked again if the Fence finds that the pivot happened
    pivot_happened: bool = False  # a Fence has found it, and steps before are asked what they told
    undone_to: str = ""  # the first step of those that events told to be undone


class SagaState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a saga and needed to decide."""

    saga_id: UUID
    status: Status
    pending: Request | None  # what is asked and not yet answered; None at the end
    driver: Driver = Driver.ENGINE
    attempt: int = 1  # sendings of the pending request; 0: not sent, the saga is paused
    inputs: str = "{}"  # JSON object of what the steps ahead need, and nothing else
    cause: Cause | None = None  # what turned it back, or waits for a decision
    paused: bool = False  # answers are taken, nothing is sent
    detours: Detours = Detours()

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    def generation(self, step: str) -> int:
        """Under which the step is asked."""
        return self.detours.generations.get(step, FIRST_GENERATION)


class Concern(NamedTuple):
    """What of a saga needs a person: the request that stands on the desk."""

    step: str
    action: Action


def concerns(saga: SagaState | None) -> frozenset[Concern]:
    """Compensations that were given to the desk, a forward step that is stuck, a decision."""
    if saga is None:
        return frozenset()
    found = {Concern(each.step, Action.UNDO) for each in saga.detours.desk}
    if (pending := saga.pending) and (
        saga.status is Status.AWAITING_DECISION
        or (saga.status is Status.STUCK and pending.action is not Action.UNDO)
    ):
        found.add(Concern(pending.step, pending.action))
    return frozenset(found)


# --- what is said to a saga


class Answer(NamedTuple):
    """A fact told by a participant. The event that starts a saga answers its first step."""

    request: Request
    event: Event
    inputs: str = ""  # JSON: what it carried for the steps behind it, where events drive the saga


class Overdue(NamedTuple):
    """The pending request has waited for so long as it may."""

    request: Request
    past_deadline: bool = False  # the saga's
    restrained: bool = False  # only re-send: too many sagas are overdue at once


class DeskOverdue(NamedTuple):
    """What stands on the desk is due to be asked again."""


class Wish(NamedTuple):
    """The customer wishes to cancel."""

    reason: str


class Compensate(NamedTuple):
    """A person turns the saga back."""

    reason: str


class Retry(NamedTuple):
    """A person has a step asked again now."""

    step: str


class Skip(NamedTuple):
    """A person lets the saga go on without a step."""

    step: str


class Pause(NamedTuple):
    """A person stops all sending for a while."""


class Resume(NamedTuple):
    """A person ends a pause, or its time is over."""

    past_deadline: bool = False  # the saga's, which ran on


class Resolve(NamedTuple):
    """A person has undone a step outside."""

    step: str
    evidence: str


class Substitute(NamedTuple):
    """A person has a step undone in another way."""

    step: str
    command: str  # the type of one of the step's substitutes


class RecordOutcome(NamedTuple):
    """A person knows that the pending step happened outside."""

    step: str
    evidence: str


Move = Compensate | Retry | Skip | Pause | Resume | Resolve | Substitute | RecordOutcome
Said = Answer | Overdue | DeskOverdue | Wish | Move


# --- what it decides


class Told(NamedTuple):
    """A message to send, and the request that it asks or tells of."""

    message: Message
    request: Request
    topic: str = ""  # of a message that belongs to any step; otherwise its own


class Note(NamedTuple):
    """Something for the saga's timeline that is no answer."""

    kind: str
    request: Request | None
    text: str


class Decision(NamedTuple):
    """The saga as it is now, and what follows."""

    saga: SagaState
    outcome: Outcome | None = None  # of an answer that it waited for
    sends: tuple[Told, ...] = ()
    wait: float | datetime | None = None  # seconds, or until when, for the pending request
    desk_wait: float | None = None  # seconds, for what stands on the desk
    notes: tuple[Note, ...] = ()
