"""Payloads side by side, and what a type of message looks like. Pure."""

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

CONTEXT_LINES = 3  # shown around a change


class Line(NamedTuple):
    """A line of a difference. The sign says what the colour says, the word what is heard."""

    sign: str  # +, -, a blank, or … for lines that are left out
    word: str  # added, removed, or nothing
    text: str


WORDS = {"+": "added", "-": "removed"}


def difference(before: str, after: str) -> list[Line]:
    """What is different, line by line, with some lines around it; empty where nothing is."""
    found = difflib.unified_diff(
        before.splitlines(), after.splitlines(), n=CONTEXT_LINES, lineterm=""
    )
    lines = list(found)[2:]  # the first two name files
    shown = [_line(each) for each in lines]
    begins = bool(lines) and lines[0].startswith(("@@ -1,", "@@ -1 "))
    return shown[1:] if begins else shown


def _line(line: str) -> Line:
    if line.startswith("@@"):
        return Line("…", "", "lines that are the same")
    return Line(line[0], WORDS.get(line[0], ""), line[1:])


def readable(payload: bytes) -> str:
    """A payload as people read and correct it: JSON with a line for each field, else as it is."""
    try:
        return msgspec.json.format(payload, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return payload.decode("utf-8", "backslashreplace")


def as_sent(text: str, original: bytes) -> bytes:
    """What somebody made of a readable payload, as bytes: the very original where it says the same,
    else JSON without the blanks that made it readable, else as it was typed."""
    text = text.replace("\r\n", "\n")  # as browsers send lines
    if text.strip() == readable(original).strip():
        return original
    try:
        return msgspec.json.format(text.encode(), indent=-1)
    except msgspec.DecodeError:
        return text.encode()


def looks_like(message_type: type) -> str:
    """The fields of a type, each with its kind in place of a value."""
    outline = _outline(inspect.type_info(message_type))
    return msgspec.json.format(msgspec.json.encode(outline), indent=2).decode()


def _outline(kind: Any) -> Any:
    """A kind of value as an example would show it."""
    match kind:
        case inspect.StructType():
            return {each.encode_name: _field(each) for each in kind.fields}
        case inspect.VarTupleType() | inspect.ListType():
            return [_outline(kind.item_type)]
        case inspect.EnumType():
            return " or ".join(str(each.value) for each in kind.cls)
        case inspect.UnionType():
            return _either([_outline(each) for each in kind.types])
        case inspect.DictType():
            return {str(_outline(kind.key_type)): _outline(kind.value_type)}
    return KINDS.get(type(kind), type(kind).__name__.removesuffix("Type").lower())


def _field(field: inspect.Field) -> Any:
    outline = _outline(field.type)
    return outline if field.required or not isinstance(outline, str) else f"{outline} (optional)"


def _either(outlines: list[Any]) -> Any:
    """Texts as one; where there is a structure, its own shape says more."""
    shaped = next((each for each in outlines if not isinstance(each, str)), None)
    return shaped if shaped is not None else " or ".join(outlines)


KINDS: dict[Any, str] = {
    inspect.StrType: "text",
    inspect.IntType: "whole number",
    inspect.FloatType: "number",
    inspect.BoolType: "true or false",
    inspect.UUIDType: "id",
    inspect.DateTimeType: "date and time",
    inspect.NoneType: "null",
}


def changed_headers(before: Mapping[str, str], changed: Mapping[str, str]) -> list[Line]:
    """The headers that are changed, each as it was and as it becomes."""
    lines = []
    for name, text in changed.items():
        if name in before:
            lines.append(Line("-", "removed", f"{name}: {before[name]}"))
        lines.append(Line("+", "added", f"{name}: {text}"))
    return lines
