"""Carries out single requests as the messaging layer would, without Kafka and the barrier."""

from uuid import UUID

from uuid_utils.compat import uuid7

from apps.contracts.base import Command, Compensation, Event
from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.context import context
from apps.messaging.handling import Request, Task


def ask(label: str, command: Command, *, saga_id: UUID | None = None, step: str = "") -> Event:
    """Hand one command to its handler, in one committed transaction; its answer."""
    return ask_together(label, [(saga_id or uuid7(), step, command)])[0]


def ask_together(label: str, asked: list[tuple[UUID, str, Command]]) -> list[Event]:
    """Hand several commands of one workspace to their handlers as one batch; their answers."""
    handlers = __import__(f"apps.{label}.handlers", fromlist=["COMMANDS"]).COMMANDS
    tasks = [Task(_request(*each), each[2]) for each in asked]
    [workspace_type] = {handlers[type(task.message)].workspace for task in tasks}
    database = context(label).database
    answers = []
    with database.transaction():
        workspace = workspace_type.load(database, tasks)
        for task in tasks:
            workspace.request = task.request
            answers.append(handlers[type(task.message)].decide(task.message, workspace))
        workspace.save()
    return answers


def react(label: str, event: Event, *, saga_id: UUID) -> Event | None:
    """Let a context react to an event, in one committed transaction; what it tells."""
    reaction = __import__(f"apps.{label}.handlers", fromlist=["REACTIONS"]).REACTIONS[type(event)]
    database = context(label).database
    request = Request(saga_id, reaction.step, Action.DO, 1, Mode.ORCHESTRATED)
    with database.transaction():
        workspace = reaction.workspace.load(database, [Task(request, event)])
        workspace.request = request
        told = reaction.decide(event, workspace)
        workspace.save()
    return told


def _request(saga_id: UUID, step: str, command: Command) -> Request:
    action = Action.UNDO if isinstance(command, Compensation) else Action.DO
    return Request(saga_id, step or type(command).__name__, action, 1, Mode.ORCHESTRATED)
