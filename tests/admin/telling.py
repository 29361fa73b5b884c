"""Sagas as their pages read them, made up without a database: times are seconds from the start."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from apps.sagas.admin.history import History
from apps.sagas.models import OperatorAction, Saga, SagaEvent, SagaStep
from tests.sagas.scenarios import PLAIN

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OUTCOMES = {"do": "done", "undo": "undone", "fence": "fenced"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def answer(
    step: str,
    asked: float,
    answered: float,
    outcome: str = "",
    *,
    action: str = "do",
    generation: int = 1,
    type: str = "",
    **facts: Any,
) -> SagaStep:
    """An answer as it is in the history."""
    return SagaStep(
        saga_id=UUID(int=1), step=step, action=action, generation=generation, asked_at=at(asked),
        answered_at=at(answered), outcome=outcome or OUTCOMES[action], answer_type=type,
        answer=facts,
    )  # fmt: skip


def event(kind: str, step: str, when: float, text: str = "", *, action: str = "do") -> SagaEvent:
    """Something beside the answers."""
    return SagaEvent(
        saga_id=UUID(int=1), kind=kind, step=step, action=action, generation=1, at=at(when),
        text=text,
    )  # fmt: skip


def move(operation: str, step: str, when: float) -> OperatorAction:
    """What Olga did, because it had to be."""
    return OperatorAction(
        operation=operation, step=step, at=at(when), actor="olga", reason="it had to be",
        parameters={}, outcome="so it is",
    )  # fmt: skip


def told(
    *answers: SagaStep,
    now: float,
    events: Sequence[SagaEvent] = (),
    moves: Sequence[OperatorAction] = (),
    pending: tuple[str, str, float] | None = None,
    ended: float | None = None,
    **of_saga: Any,
) -> History:
    """A saga of a plain order; `pending` is step, action, and when it was first asked."""
    step, action, since = pending or (None, None, None)
    given: dict[str, Any] = {
        "status": "running", "plan": PLAIN.to_header(), "attempt": 1, "detours": {},
        "started_at": START, "changed_at": at(now),
        "ended_at": None if ended is None else at(ended),
        "deadline_at": at(3600), "pending_step": step, "pending_action": action,
        "pending_generation": None if step is None else 1,
        "pending_since": None if since is None else at(since),
    }  # fmt: skip
    saga = Saga(saga_id=UUID(int=1), order_id=UUID(int=2), **given | of_saga)
    return History(saga, list(answers), list(events), list(moves), at(now))


def forward(*steps: str) -> list[SagaStep]:
    """These steps, each done in a second, one after the other."""
    return [answer(step, number, number + 1) for number, step in enumerate(steps)]


def backward(since: float, *steps: str) -> list[SagaStep]:
    """These steps undone, each in a second."""
    return [
        answer(step, since + number, since + number + 1, action="undo")
        for number, step in enumerate(steps)
    ]
