"""Every message with its fields, from the contracts, the handlers' tables and the definitions."""

import ast
import enum
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import NamedTuple

import msgspec

from apps.contracts import values
from apps.contracts.base import Command, Compensation, Event, Message, Refusal, Undone, context_of
from apps.contracts.catalogue import EVENT_TOPICS, MESSAGES, command_topic
from apps.messaging.wiring import wiring
from apps.processes import LIVE, Process, Step
from sagaplatform.reference.markdown import code, codes, page, sentence, table

INTRODUCTION = """
What the contexts say to one another. A **command** is an order to the context that owns it and is
read from its topic of commands; an **event** is a fact that its context tells, on its topic of
events. A **refusal** is an event: a definite no. A **compensation** undoes a step and carries no
inputs. Payloads are JSON; [headers.py](../../apps/contracts/headers.py) names the headers. The key
of each message is the id of its saga.

*Heard by* says who has an entry for it in its `handlers.py`; the engine (`sagas`) hears every
answer to a step. How to add one: [add a message](../howto/add-a-message.md).
"""
KINDS: tuple[tuple[type[Message], str], ...] = (
    (Compensation, "compensation"),
    (Refusal, "refusal"),
    (Undone, "event, of an undo"),
    (Command, "command"),
    (Event, "event"),
)


class Field(NamedTuple):
    """A field as it is declared."""

    name: str
    kind: str
    default: str
    meaning: str


def messages_page() -> str:
    """The page docs/reference/messages.md."""
    sections = [_section(context) for context in EVENT_TOPICS]
    parts = (*sections, _any_step(), _values())
    return page("Messages", "apps/contracts and the handlers", INTRODUCTION, *parts)


# --- sections


def _section(context: str) -> str:
    topics = f"Commands: `{command_topic(context)}`. Events: `{EVENT_TOPICS[context]}`."
    return _chapter(context, topics, _messages_of(context))


def _any_step() -> str:
    says = (
        "These belong to any step and have no topic of their own: a command goes to the commands "
        "of the step's context, an event to the events of the context that tells it."
    )
    return _chapter("Of any step", says, _messages_of("steps"))


def _chapter(title: str, says: str, messages: Iterable[type[Message]]) -> str:
    return "\n\n".join([f"## {title}", says, *map(_message, messages)])


def _messages_of(context: str) -> list[type[Message]]:
    return [each for each in MESSAGES.values() if context_of(each) == context]


def _message(message: type[Message]) -> str:
    schema = f"{message.__name__}.v{message.version}.json"
    facts = [
        f"{_kind(message)}, version {message.version}",
        *_places(message),
        f"[schema](../../tests/contracts/schemas/{schema})",
    ]
    name = message.__name__ if message.version == 1 else f"{message.__name__} v{message.version}"
    parts = [f"### {name}", sentence(message.__doc__), " · ".join(facts), _fields(message)]
    return "\n\n".join(filter(None, parts))


def _kind(message: type[Message]) -> str:
    found = next(name for kind, name in KINDS if issubclass(message, kind))
    answer = getattr(message, "answer", None)
    return f"{found}, answered by `{answer.__name__}`" if answer else found


def _places(message: type[Message]) -> Iterator[str]:
    """The steps that it belongs to, and who hears it."""
    if steps := dict.fromkeys(_roles(message)):  # two versions of a process share most
        yield "; ".join(steps)
    if heard := [each for each in EVENT_TOPICS if _hears(each, message)]:
        yield f"heard by {codes(heard)}"


def _roles(message: type[Message]) -> Iterator[str]:
    for process, step in _steps():
        roles = {
            "asks for": (step.command,),
            "success of": (step.success,),
            "refusal of": (step.refusal,),
            "undo of": (step.compensation,),
            "instead of the undo of": step.substitutes,
        }
        place = code(f"{process.name}.{step.name}")
        yield from (f"{role} {place}" for role, held in roles.items() if message in held)


def _steps() -> list[tuple[Process, Step]]:
    return [(process, step) for process in LIVE for step in process.steps]


def _hears(context: str, message: type[Message]) -> bool:
    return wiring(context).knows((message.__name__, message.version))


# --- values


def _values() -> str:
    """What messages are made of: structs and words that stand in fields."""
    modules = [values, *(import_module(f"apps.contracts.{each}") for each in EVENT_TOPICS)]
    declared = [each for module in modules for each in _declared_in(module)]
    says = "Money is in cents (the smallest unit) of the order's currency."
    return "\n\n".join(["## Values", says, *map(_value, declared)])


def _declared_in(module: object) -> list[type]:
    name = getattr(module, "__name__", "")
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and each.__module__ == name
        and issubclass(each, values.Value | enum.Enum)
        and each is not values.Value
    ]


def _value(kind: type) -> str:
    shown = _words(kind) if issubclass(kind, enum.Enum) else _fields(kind)
    return "\n\n".join([f"### {kind.__name__}", sentence(kind.__doc__), shown])


def _words(kind: type[enum.Enum]) -> str:
    lines, body = _source(kind)
    rows = []
    for node in body:
        if isinstance(node, ast.Assign):
            word = str(kind[ast.unparse(node.targets[0])].value)
            rows.append((code(word), _comment(lines, node)))
    return table(("value", "meaning"), rows)


# --- fields


def _fields(kind: type) -> str:
    rows = [(code(x.name), code(x.kind), code(x.default), x.meaning) for x in fields_of(kind)]
    return table(("field", "type", "default", "meaning"), rows)


def fields_of(kind: type) -> list[Field]:
    """The fields of a struct as its source declares them, inherited ones first."""
    found: dict[str, Field] = {}
    for each in reversed(kind.__mro__):
        if issubclass(each, msgspec.Struct) and each.__module__.startswith("apps."):
            found |= {field.name: field for field in _declared(each)}
    return list(found.values())


def _declared(kind: type) -> Iterator[Field]:
    lines, body = _source(kind)
    for node in body:
        if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation):
            default = ast.unparse(node.value) if node.value else ""
            yield Field(
                ast.unparse(node.target), ast.unparse(node.annotation), default,
                _comment(lines, node),
            )  # fmt: skip


@lru_cache(maxsize=256)
def _source(kind: type) -> tuple[list[str], list[ast.stmt]]:
    """The lines of a class, and the statements in it."""
    text = textwrap.dedent(inspect.getsource(kind))
    [declared] = ast.parse(text).body
    assert isinstance(declared, ast.ClassDef)
    return text.splitlines(), declared.body


def _comment(lines: list[str], node: ast.stmt) -> str:
    """What stands behind a line."""
    return lines[(node.end_lineno or node.lineno) - 1].partition("  # ")[2]
