"""What a saga asks next: forward, back, or nothing more. Pure, as all that decides."""

from msgspec.structs import replace

from apps.contracts.base import Command, Compensation, Event, Message, context_of
from apps.contracts.catalogue import MESSAGES, Action, command_topic
from apps.contracts.plan import Mode
from apps.contracts.reading import read
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.sagas import SagaEnded
from apps.contracts.steps import Fence
from apps.messaging.request import Request
from apps.processes.course import Course, Leg
from apps.processes.inputs import inputs_behind
from apps.sagas.state import Cause, Decision, OnDesk, SagaState, Status, Told


def ask(course: Course, saga: SagaState, status: Status, step: str, action: Action) -> Decision:
    """A new pending request, and its command. A saga with something on the desk stays stuck."""
    request = Request(saga.saga_id, step, action, saga.generation(step), Mode.ORCHESTRATED)
    status = Status.STUCK if saga.detours.desk else status
    return send(course, replace(saga, status=status, pending=request, attempt=0))


def send(course: Course, saga: SagaState) -> Decision:
    """Send the pending request, be it again; nothing is sent while the saga is paused."""
    request, attempt = saga.pending, saga.attempt + 1
    assert request  # only what is open is sent
    if saga.paused:
        return Decision(saga)
    leg = course.legs[request.step]
    told = told_of(leg, request, command_of(leg, request.action, saga.inputs))
    wait = leg.step.patience.wait(attempt)
    return Decision(replace(saga, attempt=attempt), sends=(told,), wait=wait)


def command_of(leg: Leg, action: Action, inputs: str) -> Command:
    """What a step is asked with. A command is what its type sees of the inputs."""
    if action is Action.FENCE:
        return Fence()
    if action is Action.UNDO:
        compensation = leg.step.compensation
        assert compensation  # a definition is checked: only such steps are undone
        return compensation()
    assert leg.reader  # a definition is checked: only the first step has no command
    return leg.reader.decode(inputs)


def told_of(leg: Leg, request: Request, message: Message) -> Told:
    """A command to the context of a step."""
    owner = leg.step.command or leg.step.compensation
    assert owner  # a definition is checked: the first step has a compensation, others a command
    return Told(message, request, command_topic(context_of(owner)))


def desk_command(leg: Leg, asked: OnDesk) -> Compensation:
    """What is asked of a step that stands on the desk: its compensation, or what was chosen."""
    compensation = leg.step.compensation
    assert compensation  # only compensations are given to the desk
    if not asked.command:
        return compensation()
    chosen = MESSAGES[asked.command, 1]
    assert issubclass(chosen, Compensation)
    return read(asked.payload, chosen)


def go_past(
    course: Course, saga: SagaState, leg: Leg, event: Event | None, request: Request
) -> Decision:
    """Leave a step behind; it told an event, or was skipped."""
    saga = replace(saga, cause=None, detours=replace(saga.detours, cause=None))
    if not leg.following:
        return end(course, saga, Status.CONFIRMED, Ending.CONFIRMED, request)
    saga = replace(saga, inputs=inputs_behind(leg, saga.inputs, event))
    return ask(course, saga, Status.RUNNING, leg.following, Action.DO)


def turn_back(course: Course, saga: SagaState, first: str, request: Request) -> Decision:
    """Forget the inputs, and undo from this step on; its cause is remembered already."""
    return undo_from(course, replace(saga, inputs="{}"), first, request)


def undo_from(course: Course, saga: SagaState, step: str, request: Request) -> Decision:
    """Undo a step or, where none is left, end: undone, or stuck while the desk is not empty."""
    while step in saga.detours.skipped:
        step = course.legs[step].previous
    if step:
        return ask(course, saga, Status.COMPENSATING, step, Action.UNDO)
    if saga.detours.desk:
        return Decision(replace(saga, status=Status.STUCK, pending=None))
    return end(course, saga, Status.UNDONE, Ending.UNDONE, request)


def end(
    course: Course, saga: SagaState, status: Status, ending: Ending, request: Request
) -> Decision:
    """Nothing is open any more, and whoever listens is told."""
    saga = replace(saga, status=status, pending=None, inputs="{}", paused=False)
    refused = refused_step(course, saga.cause)
    ended = SagaEnded(process=course.plan.process, outcome=ending, refused_step=refused)
    return Decision(saga, sends=(Told(ended, request),))


def refused_step(course: Course, cause: Cause | None) -> str | None:
    """The step whose refusal turned a saga back; None where it was time, a wish or a person."""
    refusal = course.legs[cause.step].step.refusal if cause else None
    return cause.step if cause and refusal and refusal.__name__ == cause.type else None
