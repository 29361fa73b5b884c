"""What time and people may say to a saga, at any moment, that is no answer."""

from apps.contracts.payments import CreditInstead
from apps.sagas.state import (
    Compensate,
    DeskOverdue,
    Overdue,
    Pause,
    Resolve,
    Resume,
    Retry,
    SagaState,
    Said,
    Skip,
    Status,
    Substitute,
)
from tests.reliability.search.plans import PAYMENT
from tests.reliability.search.states import Configuration, Record

Options = dict[str, Said]  # in words, and what is said


def by_time(record: Record) -> Options:
    """What the watchdog may tell: whatever has a time set."""
    options: Options = {}
    if record.state is None:
        return options
    if record.state.paused:
        options["the pause ends"] = Resume()
        options["the pause ends, past the deadline"] = Resume(past_deadline=True)
    if record.due and (request := record.state.pending):
        options["it is overdue"] = Overdue(request)
        options["it is past the deadline"] = Overdue(request, past_deadline=True)
        options["it is overdue among too many"] = Overdue(request, restrained=True)
    if record.desk_due:
        options["the desk is due"] = DeskOverdue()
    return options


def by_people(record: Record, given: Configuration) -> Options:
    """What people may do who only look at the saga."""
    saga, options = record.state, Options()
    if saga is None or saga.ended:
        return options
    if given.compensate:
        options["an operator turns it back"] = Compensate("no")
    if saga.pending and may_retry(saga, given):
        options[f"an operator retries {saga.pending.step}"] = Retry(saga.pending.step)
    if given.skip:
        options[f"an operator skips {PAYMENT}"] = Skip(PAYMENT)
    if given.pause and not saga.paused:
        options["an operator pauses it"] = Pause()
    for each in saga.detours.desk:
        if each.generation - saga.generation(each.step) < given.raises:
            options |= at_the_desk(each.step, by_hand=given.by_hand)
    return options


def at_the_desk(step: str, *, by_hand: bool) -> Options:
    options: Options = {f"an operator retries the undoing of {step}": Retry(step)}
    if by_hand:
        options[f"an operator resolves {step} by hand"] = Resolve(step, "seen")
    if by_hand and step == PAYMENT:
        name = CreditInstead.__name__
        options[f"an operator substitutes the undoing of {step}"] = Substitute(step, name)
    return options


def may_retry(saga: SagaState, given: Configuration) -> bool:
    """With a higher generation only so often."""
    if saga.status is not Status.AWAITING_DECISION:
        return given.retries > 0
    raised = sum(each - 1 for each in saga.detours.generations.values())
    return raised < given.retries
