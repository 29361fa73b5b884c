"""Nothing personal and no secret gets into a log, whatever is logged.

Fields are known by their names: a field is left out whose name has one of these words in it, at
whatever depth. Messages and records are never printed, for their text would show their fields.
Of a database error in a traceback the lines are cut that hold a row's values.
"""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import is_dataclass
from typing import Any

import msgspec
from django.db.models import Model

WORDS = (
    "address", "name", "street", "email", "phone", "card", "token", "password", "authorization",
    "payload", "input", "secret", "cookie",
)  # fmt: skip
PRIVATE = frozenset({*WORDS, *(f"{word}s" for word in WORDS), "addresses"})
LEFT_OUT = "[left out]"
DEEPEST = 6  # levels; what lies deeper is left out

WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# What PostgreSQL adds to an error: a row's values, to the next heading, empty line or traceback.
DETAIL = re.compile(
    r"^(DETAIL|CONTEXT):.*?(?=^(?:DETAIL|CONTEXT|HINT|LINE [0-9]+):|^\s*$|^Traceback |\Z)",
    re.MULTILINE | re.DOTALL,
)


def redact(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor, the last before the text is made."""
    for name, value in event.items():
        event[name] = LEFT_OUT if is_private(name) else shown(value)
    if isinstance(event.get("exception"), str):
        event["exception"] = without_details(event["exception"])
    return event


def is_private(name: object) -> bool:
    """Whether a field of that name is left out: customer_email, streetName, X-Auth-Token."""
    return not PRIVATE.isdisjoint(word.lower() for word in WORD.findall(str(name)))


def shown(value: object, depth: int = 1) -> object:
    """A value as it may be logged."""
    if depth > DEEPEST:
        return LEFT_OUT
    if isinstance(value, Mapping):
        return {
            str(name): LEFT_OUT if is_private(name) else shown(each, depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [shown(each, depth + 1) for each in value]
    if isinstance(value, msgspec.Struct | Model | bytes) or is_dataclass(value):
        return f"[{type(value).__name__}]"
    return value


def without_details(text: str) -> str:
    """A traceback without the lines of a database error that hold a row's values."""
    return DETAIL.sub(rf"\1: {LEFT_OUT}\n", text)
