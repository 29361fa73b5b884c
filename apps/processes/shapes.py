"""Whether each part of a definition is the kind of thing that it should be: a number, a name, a
message. Looked at before the parts are compared with each other, which relies on it."""

import re
from collections.abc import Iterator
from typing import Any

from apps.contracts.base import Command, Compensation, Event, Refusal, Undone
from apps.contracts.catalogue import KINDS
from apps.contracts.steps import OF_ANY_STEP
from apps.processes.patience import OnRefusal, Patience
from apps.processes.step import Kind, Step

A_YEAR = 365 * 24 * 3600  # more, a database's times do not hold, and nobody waits for
MOST_ATTEMPTS = 1000
MOST_BACKOFF = 1000
LARGEST_VERSION = 2**31 - 1  # what a column holds
LONGEST_NAME = 60
NAME = re.compile(r"[a-z][a-z0-9_]*")  # names travel in the plan's header between / and ,

WRITTEN = f"in small letters, digits and _, {LONGEST_NAME} at most"
SECONDS = f"a number of seconds, {A_YEAR} (a year) at most"
MESSAGES: dict[str, type] = {
    "command": Command, "success": Event, "refusal": Refusal, "compensation": Compensation,
}  # fmt: skip


def of_process(name: Any, version: Any, steps: Any, personal: Any, deadline: Any) -> Iterator[str]:
    """What is wrong with what is said of the whole."""
    if not is_name(name):
        yield f"a name is written {WRITTEN}"
    if not is_whole(version) or not 1 <= version <= LARGEST_VERSION:
        yield f"version is a whole number from 1 on, not {shown(version)}"
    if not isinstance(steps, tuple) or not all(isinstance(each, Step) for each in steps):
        yield "its steps are a tuple of Step"
    if not is_texts(personal):
        yield f"personal is a tuple of names, not {shown(personal)}"
    if not is_number(deadline, A_YEAR):
        yield f"deadline is {SECONDS}, not {shown(deadline)}"


def of_step(step: Step) -> Iterator[str]:
    """What is wrong with what is said of one step."""
    if not is_name(step.name):
        yield f"a name is written {WRITTEN}"
    if not isinstance(step.kind, Kind):
        yield f"its kind is a Kind, not {shown(step.kind)}"
    yield from _messages(step)
    yield from _substitutes(step)
    yield from _options(step)
    yield from _times(step)


def _messages(step: Step) -> Iterator[str]:
    for field, kind in MESSAGES.items():
        message = getattr(step, field)
        if message is None and field != "success":
            continue
        if not is_message(message, kind):
            yield f"its {field} is a message of the kind {kind.__name__}, not {shown(message)}"
        elif message in OF_ANY_STEP:
            yield f"{message.__name__} is said of any step, and is none's own"
    if step.command and issubclass(step.command, Compensation):
        yield f"its command does the step, {step.command.__name__} undoes it"


def _substitutes(step: Step) -> Iterator[str]:
    if not isinstance(step.substitutes, tuple):
        yield f"substitutes is a tuple of compensations, not {shown(step.substitutes)}"
        return
    for each in step.substitutes:
        if not is_message(each, Compensation):
            yield f"a substitute is a message of the kind Compensation, not {shown(each)}"
    for each in (*filter(None, [step.compensation]), *step.substitutes):
        if not is_message(getattr(each, "answer", None), Undone):
            yield f"{each.__name__} says not what it is answered by: give it answer = …"


def _options(step: Step) -> Iterator[str]:
    if not is_texts(step.gives):
        yield f"gives is a tuple of names, not {shown(step.gives)}"
    if step.wish != "" and not is_name(step.wish):
        yield f"a wish is written like a name: {WRITTEN}"
    if not isinstance(step.on_refusal, OnRefusal):
        yield f"on_refusal is an OnRefusal, not {shown(step.on_refusal)}"
    for field in ("outside", "skippable"):
        if not isinstance(value := getattr(step, field), bool):
            yield f"{field} is True or False, not {shown(value)}"


def _times(step: Step) -> Iterator[str]:
    if not is_number(step.decide_within, A_YEAR):
        yield f"decide_within is {SECONDS}, not {shown(step.decide_within)}"
    times = step.patience
    if not isinstance(times, Patience):
        yield f"its patience is a Patience, not {shown(times)}"
        return
    for field in ("timeout", "longest"):
        if not is_number(value := getattr(times, field), A_YEAR):
            yield f"patience.{field} is {SECONDS}, not {shown(value)}"
    if not is_whole(times.attempts) or times.attempts > MOST_ATTEMPTS:
        most = f"a whole number, {MOST_ATTEMPTS} at most"
        yield f"patience.attempts is {most}, not {shown(times.attempts)}"
    if not is_number(times.backoff, MOST_BACKOFF):
        yield f"patience.backoff is a number, {MOST_BACKOFF} at most, not {shown(times.backoff)}"


def is_name(value: Any) -> bool:
    """Whether it can travel in the plan's header."""
    return isinstance(value, str) and len(value) <= LONGEST_NAME and bool(NAME.fullmatch(value))


def is_texts(value: Any) -> bool:
    """Whether it is a tuple of texts; a text alone is none."""
    return isinstance(value, tuple) and all(isinstance(each, str) for each in value)


def is_whole(value: Any) -> bool:
    """Whether it is a whole number; True is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any, most: float) -> bool:
    """Whether it is a number of at most so much, on either side of 0; nan is none."""
    return (is_whole(value) or isinstance(value, float)) and -most <= value <= most


def is_message(value: Any, kind: type) -> bool:
    """Whether it is a message of that kind, and not the kind itself."""
    return isinstance(value, type) and issubclass(value, kind) and value not in KINDS


def shown(value: Any) -> str:
    """It, in a few words."""
    text = value.__name__ if isinstance(value, type) else repr(value)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"
