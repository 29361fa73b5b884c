"""What is known of one saga, read once for its page: answers, events, what people did."""

from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from django.utils import timezone

from apps.contracts.catalogue import Action
from apps.contracts.plan import Plan
from apps.contracts.reading import convert
from apps.processes.course import Leg, course_of
from apps.processes.errors import NoDefinition
from apps.sagas.models import OperatorAction, Saga, SagaEvent, SagaStep
from apps.sagas.state import Detours, OnDesk, Status


class Point(NamedTuple):
    """Something that happened at one moment, told from outside the saga's own record."""

    at: datetime
    kind: str  # a kind of mark, see timeline.MARKS
    step: str
    action: str  # empty where it is about none
    what: str  # a word or two
    text: str  # for people


class History:
    """A saga with all that was told of it, as of one moment."""

    def __init__(
        self,
        saga: Saga,
        answers: list[SagaStep],
        events: list[SagaEvent],
        moves: list[OperatorAction],
        now: datetime,
    ) -> None:
        self.saga = saga
        self.answers = answers  # in the order in which they were taken
        self.events = events
        self.moves = moves
        self.now = now

    @classmethod
    def read(cls, saga: Saga) -> "History":
        """Three statements."""
        return cls(
            saga,
            list(SagaStep.objects.filter(saga_id=saga.saga_id).order_by("revision")),
            list(SagaEvent.objects.filter(saga_id=saga.saga_id).order_by("id")),
            list(OperatorAction.objects.filter(saga_id=saga.saga_id).order_by("id")),
            timezone.now(),
        )

    @cached_property
    def told(self) -> dict[tuple[str, str], SagaStep]:
        """The last answer by step and action."""
        return {(line.step, line.action): line for line in self.answers}

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """Those of the plan, in order."""
        return Plan.from_header(self.saga.plan).steps

    @cached_property
    def legs(self) -> dict[str, Leg]:
        """What the definition says of the steps; empty where no live definition has the plan."""
        try:
            return dict(course_of(self.saga.plan).legs)
        except NoDefinition:
            return {}

    @cached_property
    def detours(self) -> Detours:
        """What is known of it beside the straight way."""
        return convert(self.saga.detours, Detours)

    @cached_property
    def desk(self) -> dict[str, OnDesk]:
        """What stands on the desk, by step."""
        return {each.step: each for each in self.detours.desk}

    @property
    def pending(self) -> tuple[str, str] | None:
        """Step and action that it waits for."""
        saga = self.saga
        return (saga.pending_step, saga.pending_action) if saga.pending_step else None  # type: ignore[return-value]

    @property
    def turned_back(self) -> bool:
        """Whether it undoes what it did, or has."""
        waits = self.saga.status == Status.AWAITING_DECISION
        return bool(self.saga.cause_step) and not waits

    @property
    def stuck_forward(self) -> bool:
        """Whether a forward request, or a Fence, has failed so often that it is on the desk."""
        stuck = self.saga.status == Status.STUCK
        return stuck and self.saga.pending_action not in (None, Action.UNDO)

    @property
    def needs_person(self) -> bool:
        """Whether something of it stands on the desk."""
        decides = self.saga.status == Status.AWAITING_DECISION
        return self.stuck_forward or decides or bool(self.desk)

    def first_heard_of(self, step: str, action: str) -> datetime | None:
        """When the timeline first mentions a request that has no answer yet."""
        found = (each.at for each in self.events if (each.step, each.action) == (step, action))
        return min(found, default=None)
