"""The plan of a saga as boxes in order, each with its compensation, and where each stands. Pure."""

import enum
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.contracts.base import context_of
from apps.contracts.catalogue import Action
from apps.messaging.display import clock, took, words
from apps.processes import Kind
from apps.sagas.admin.history import History
from apps.sagas.models import SagaStep
from apps.sagas.state import Outcome, Status


class Standing(enum.StrEnum):
    """Where a step or its compensation stands; the words are what people read."""

    DONE = "done"
    REFUSED = "refused"
    PENDING = "pending"
    DECISION = "decision awaited"  # it was refused, and a person may retry or skip it
    ON_DESK = "on the desk"  # it keeps failing, and a person should look
    WAITING = "waiting"  # its turn comes
    SKIPPED = "skipped"
    UNDONE = "undone"
    NOTHING_TO_UNDO = "nothing to undo"
    NO_ANSWER = "no answer"  # it was asked and given up: whether it happened is not known
    NEVER = "will never happen"  # a Fence has closed it
    NOT_REACHED = "not reached"
    TO_BE_UNDONE = "to be undone"  # its turn comes
    CAN_BE_UNDONE = "can be undone"


# Of Material Symbols. Each has another one: colour alone says nothing.
ICONS = {
    Standing.DONE: "check_circle",
    Standing.REFUSED: "cancel",
    Standing.PENDING: "hourglass_top",
    Standing.DECISION: "help",
    Standing.ON_DESK: "front_hand",
    Standing.WAITING: "circle",
    Standing.SKIPPED: "skip_next",
    Standing.UNDONE: "undo",
    Standing.NOTHING_TO_UNDO: "do_not_disturb_on",
    Standing.NO_ANSWER: "question_mark",
    Standing.NEVER: "block",
    Standing.NOT_REACHED: "remove",
    Standing.TO_BE_UNDONE: "pending",
    Standing.CAN_BE_UNDONE: "settings_backup_restore",
}
OF_OUTCOMES = {
    Outcome.DONE: Standing.DONE,
    Outcome.REFUSED: Standing.REFUSED,
    Outcome.UNDONE: Standing.UNDONE,
    Outcome.NOTHING_TO_UNDO: Standing.NOTHING_TO_UNDO,
    Outcome.HAPPENED: Standing.DONE,
    Outcome.FENCED: Standing.NEVER,
}
GOES_FORWARD = (Status.RUNNING, Status.SKIPPING, Status.AWAITING_DECISION, Status.FENCING)


class Box(NamedTuple):
    """A step, or its compensation."""

    standing: Standing
    note: SafeString | str = ""  # how long it took, or when it is asked again

    @property
    def icon(self) -> str:
        return ICONS[self.standing]

    @property
    def css(self) -> str:
        """The name in classes."""
        return self.standing.name.lower().replace("_", "-")


class Node(NamedTuple):
    """A step of the plan."""

    step: str
    title: str
    service: str  # whose step it is; empty where no live definition tells
    pivot: bool
    forward: Box
    back: Box | None  # None: it has no compensation, or none that could still be of use


def nodes_of(history: History) -> list[Node]:
    """The steps of the plan in order."""
    return [_node(history, step) for step in history.steps]


def _node(history: History, step: str) -> Node:
    leg = history.legs.get(step)
    forward = _forward(history, step)
    asked = (leg.step.command or leg.step.compensation) if leg else None
    return Node(
        step=step,
        title=words(step),
        service=context_of(asked) if asked else "",
        pivot=bool(leg and leg.step.kind is Kind.PIVOT),
        forward=forward,
        back=_back(history, step, forward.standing),
    )


# --- forward


def _forward(history: History, step: str) -> Box:
    if step in history.detours.skipped:
        return Box(Standing.SKIPPED)
    for action in (Action.DO, Action.FENCE):
        if history.pending == (step, action):
            return _asked_now(history, action)
    lines = [history.told.get((step, action)) for action in (Action.FENCE, Action.DO)]
    if line := next(filter(None, lines), None):
        return _answered(line)
    return Box(_unanswered(history, step))


def _asked_now(history: History, action: Action) -> Box:
    """The forward request that the saga waits for."""
    saga = history.saga
    if saga.status == Status.AWAITING_DECISION:
        return Box(Standing.DECISION, format_html("until {}", clock(saga.due_at)))
    fenced = "did it happen? " if action is Action.FENCE else ""
    standing = Standing.ON_DESK if history.stuck_forward else Standing.PENDING
    return Box(standing, format_html("{}{}", fenced, _attempts(history)))


def _attempts(history: History) -> SafeString | str:
    """How often the pending request was sent, and when it is sent again."""
    saga, leg = history.saga, history.legs.get(history.saga.pending_step or "")
    if saga.paused_until:
        return format_html("paused until {}", clock(saga.paused_until))
    most = f" of {leg.step.patience.attempts}" if leg else ""
    sent = f"sending {saga.attempt}{most if not history.stuck_forward else ''}"
    return format_html("{}, again at {}", sent, clock(saga.due_at)) if saga.due_at else sent


def _unanswered(history: History, step: str) -> Standing:
    """A step that was never answered and is not asked now."""
    undo = (step, Action.UNDO)
    if undo in history.told or history.pending == undo or step in history.desk:
        return Standing.NO_ANSWER
    ahead = history.saga.status in GOES_FORWARD or history.stuck_forward
    return Standing.WAITING if ahead else Standing.NOT_REACHED


def _answered(line: SagaStep) -> Box:
    return Box(OF_OUTCOMES[Outcome(line.outcome)], took(line.answered_at - line.asked_at))


# --- back


def _back(history: History, step: str, forward: Standing) -> Box | None:
    if line := history.told.get((step, Action.UNDO)):
        return _answered(line)
    if step in history.desk:
        return _on_desk(history, step)
    if history.pending == (step, Action.UNDO):
        return Box(Standing.PENDING, _attempts(history))
    leg = history.legs.get(step)
    if history.saga.ended_at or forward is not Standing.DONE or not (leg and leg.step.compensation):
        return None
    if history.turned_back:
        return Box(Standing.TO_BE_UNDONE)
    return None if _past_pivot(history) else Box(Standing.CAN_BE_UNDONE)


def _on_desk(history: History, step: str) -> Box:
    asked = history.desk[step]
    if asked.refused:
        return Box(Standing.ON_DESK, "refused for good")
    again = clock(history.saga.desk_due_at)
    return Box(Standing.ON_DESK, format_html("sending {}, again at {}", asked.attempt, again))


def _past_pivot(history: History) -> bool:
    """Whether the saga can only go forward."""
    pivots = {name for name, leg in history.legs.items() if leg.step.kind is Kind.PIVOT}
    happened = (Outcome.DONE, Outcome.HAPPENED)
    return any(line.step in pivots and line.outcome in happened for line in history.answers)
