"""What makes a definition one that can work. Each check names the step that breaks it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, get_args, get_origin

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from apps.contracts.base import Message, Refusal, Undone, context_of
from apps.processes import shapes
from apps.processes.errors import DefinitionError
from apps.processes.patience import OnRefusal
from apps.processes.step import Kind, Step

Steps = Sequence[Step]
Problems = Iterator[tuple[str, str]]  # (step, what is wrong with it)

NEXT_KINDS = {
    Kind.COMPENSATABLE: {Kind.COMPENSATABLE, Kind.PIVOT},
    Kind.PIVOT: {Kind.RETRIABLE},
    Kind.RETRIABLE: {Kind.RETRIABLE},
}


def check(
    process: str, version: int, steps: Steps, personal: Sequence[str], deadline: float
) -> None:
    """Raise DefinitionError for the first thing that is wrong."""
    for problem in shapes.of_process(process, version, steps, personal, deadline):
        raise DefinitionError(process, "", problem)
    for each in steps:
        for problem in shapes.of_step(each):
            raise DefinitionError(process, each.name, problem)
    if not steps:
        raise DefinitionError(process, "", "a process has steps")
    for find in CHECKS:
        for step, problem in find(steps):
            raise DefinitionError(process, step, problem)
    for step, problem in (*personal_fields(steps, personal), *within(steps, deadline)):
        raise DefinitionError(process, step, problem)


def names(steps: Steps) -> Problems:
    seen = set()
    for step in steps:
        if step.name in seen:
            yield step.name, "two steps have this name"
        seen.add(step.name)


def start(steps: Steps) -> Problems:
    first, *others = steps
    if first.command or first.refusal:
        yield first.name, "the first step has neither command nor refusal: the initiator did it"
    if first.wish:
        yield first.name, "the first step is always in the plan"
    if issubclass(first.success, Refusal | Undone):
        yield first.name, f"a saga starts with an event, {first.success.__name__} is none"
    if missing := {"order_id", "customer_id"} - set(first.success.__struct_fields__):
        yield first.name, f"the starting event lacks {', '.join(sorted(missing))}"
    for step in others:
        if step.command is None:
            yield step.name, "it has no command; only the first step is done by the initiator"


def answers(steps: Steps) -> Problems:
    for step in steps:
        if issubclass(step.success, Refusal):
            yield step.name, f"its success is a fact, and {step.success.__name__} a refusal"
        if issubclass(step.success, Undone):
            yield step.name, f"its success is a fact, and {step.success.__name__} an undoing"


def contexts(steps: Steps) -> Problems:
    """Whoever does a step answers, refuses and undoes it."""
    for step in steps:
        own = context_of(step.command or step.success)
        undoings = [each for each in (step.compensation, *step.substitutes) if each]
        told = [each for each in (step.success, step.refusal) if each]
        for message in (*told, *undoings, *(each.answer for each in undoings)):
            if (other := context_of(message)) != own:
                yield step.name, f"{message.__name__} belongs to {other}, and the step to {own}"


def order_of_kinds(steps: Steps) -> Problems:
    if steps[0].kind is not Kind.COMPENSATABLE:
        yield steps[0].name, "the first step must be compensatable"
    for step, following in pairwise(steps):
        if following.kind not in NEXT_KINDS[step.kind]:
            yield following.name, f"a {following.kind} step cannot follow a {step.kind} one"
    if not any(step.kind is Kind.PIVOT for step in steps):
        yield steps[-1].name, "the process ends here without a pivot"


def kinds(steps: Steps) -> Problems:
    for step in steps:
        if step.kind is Kind.COMPENSATABLE and not step.compensation:
            yield step.name, "a compensatable step needs its compensation"
        if step.kind is not Kind.COMPENSATABLE and step.compensation:
            yield step.name, f"a {step.kind} step is never undone, it has no compensation"
        if step.kind is Kind.RETRIABLE and step.refusal:
            yield step.name, "nothing is refused behind the pivot"
        if step.kind is Kind.PIVOT and step.wish:
            yield step.name, "the pivot is always in the plan"


def undoings(steps: Steps) -> Problems:
    for step in steps:
        usual = (step.compensation,) if step.compensation else ()
        for each in (*usual, *step.substitutes):
            if unknown := sorted(field.name for field in fields(each) if field.required):
                told = ", ".join(unknown)
                yield step.name, f"{each.__name__} carries no inputs, who will tell it {told}?"


def patience(steps: Steps) -> Problems:
    for step in steps:
        times = step.patience
        if times.timeout <= 0 or times.longest < times.timeout:
            yield step.name, "its timeout must be above 0, and its longest wait not shorter"
        if times.attempts < 1:
            yield step.name, "it is sent at least once: attempts must be 1 or more"
        if times.backoff < 1:
            yield step.name, "waits do not shrink: backoff must be 1 or more"


def refusals(steps: Steps) -> Problems:
    for step in steps:
        waits = step.on_refusal is OnRefusal.WAIT
        if waits and not step.refusal:
            yield step.name, "it waits for a decision on its refusal, but has none"
        if step.decide_within < 0 or waits != (step.decide_within > 0):
            yield step.name, "decide_within says how long a refusal waits, there and only there"


def detours(steps: Steps) -> Problems:
    for step in steps:
        if step.skippable and (step.kind is not Kind.COMPENSATABLE or step is steps[0]):
            yield step.name, "only a compensatable step behind the first can be skipped"
        if step.skippable and step.gives:
            yield step.name, "a step that can be skipped gives nothing to later ones"
        if step.substitutes and not step.compensation:
            yield step.name, "a substitute stands for a compensation, and it has none"
        for substitute in step.substitutes:
            if step.substitutes.count(substitute) > 1:
                yield step.name, f"{substitute.__name__} is a substitute twice"
            if substitute is step.compensation:
                way = "is its compensation: a substitute is another way"
                yield step.name, f"{substitute.__name__} {way}"
            if step.compensation and substitute.answer is not step.compensation.answer:
                yield step.name, f"{substitute.__name__} must be answered like its compensation"


def within(steps: Steps, deadline: float) -> Problems:
    for step in steps:
        if deadline <= max(step.patience.timeout, step.decide_within):
            yield (
                step.name,
                f"it may wait longer than the process, whose deadline is {deadline:g} s",
            )


def inputs(steps: Steps) -> Problems:
    given = {each.name: each.type for each in fields(steps[0].success)}
    for step in steps[1:]:
        for field in _fields_of(step.command):
            if field.name not in given and field.required:
                yield step.name, f"no earlier step gives {field.name}"
            if not fits(given.get(field.name, field.type), field.type):
                yield step.name, f"{field.name} is given as {given[field.name]}, not {field.type}"
        given |= {
            each.name: each.type for each in _fields_of(step.success) if each.name in step.gives
        }


def gifts(steps: Steps) -> Problems:
    for step in steps:
        if unknown := set(step.gives) - set(step.success.__struct_fields__):
            yield step.name, f"{step.success.__name__} has no {', '.join(sorted(unknown))} to give"
        if step.gives and (step.wish or step is steps[0]):
            yield step.name, "an optional step gives nothing, and the first one gives everything"


def personal_fields(steps: Steps, personal: Sequence[str]) -> Problems:
    if unknown := set(personal) - set(steps[0].success.__struct_fields__):
        yield steps[0].name, f"the starting event has no {', '.join(sorted(unknown))}"
    for step in steps[1:]:
        for answer in (step.success, step.refusal):
            if told := set(personal) & {each.name for each in _fields_of(answer)}:
                yield step.name, f"an answer tells {', '.join(sorted(told))}, which is personal"


def fits(given: Any, needed: Any) -> bool:
    """Whether what was given can be read as what is needed: the same, or more of it."""
    if given == needed:
        return True
    if isinstance(given, type) and isinstance(needed, type):
        return issubclass(given, needed) or has_the_fields(given, needed)
    ours, theirs = get_args(given), get_args(needed)
    same_shape = get_origin(given) == get_origin(needed) and len(ours) == len(theirs)
    return bool(ours) and same_shape and all(map(fits, ours, theirs))


def has_the_fields(given: type, needed: type) -> bool:
    """Whether a struct has all that another sees of it, as a reader of JSON has it."""
    if not (issubclass(given, Struct) and issubclass(needed, Struct)):
        return False
    there = {each.name: each.type for each in fields(given)}
    return all(
        fits(there[each.name], each.type) if each.name in there else not each.required
        for each in fields(needed)
    )


def _fields_of(message: type[Message] | None) -> tuple[FieldInfo, ...]:
    return fields(message) if message else ()


CHECKS: tuple[Callable[[Steps], Problems], ...] = (
    names, start, answers, contexts, order_of_kinds, kinds, undoings, gifts, inputs, patience,
    refusals, detours,
)  # fmt: skip
