"""Parameters: from a form with nested names to values of the types in Stripe's specification.

The types are the `TypedDict`s of the stripe package, which are made from that specification.
"""

import re
import types
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import (
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from urllib.parse import parse_qsl

from stripe._request_options import RequestOptions
from typing_extensions import is_typeddict

from .errors import StripeError, refused

Json = dict[str, Any]
NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
MOST_FIELDS = 1000
# Since version 2026-09-30 of the API, which has a code of its own for it.
NO_LONGER = "payment_method_types"


# --- from the wire


def decode(form: str) -> Json:
    """`a[b]=1&c[]=2` as `{"a": {"b": "1"}, "c": {"0": "2"}}`; their types tell lists later."""
    try:
        pairs = parse_qsl(
            form, keep_blank_values=True, strict_parsing=bool(form), max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise refused(
            "Invalid request (check that your POST content type is "
            "application/x-www-form-urlencoded)"
        ) from None
    decoded: Json = {}
    for name, value in pairs:
        put(decoded, name, value)
    return decoded


def put(into: Json, name: str, value: str) -> None:
    """Put a value where its nested name says."""
    match = NAME.fullmatch(name)
    if match is None:
        raise refused(f"Invalid parameter name: {name}", param=name)
    steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        key = step or str(len(into))
        if following is None:
            into[key] = value
            return
        into = into.setdefault(key, {})
        if not isinstance(into, dict):
            raise refused(f"Invalid hash: {name}", param=name)


# --- by their types


@cache
def fields(shape: Any) -> dict[str, Any]:
    """The parameters of a shape with their types, without what the SDK keeps for itself."""
    options = RequestOptions.__annotations__
    own = {name: hint for name, hint in shape.__annotations__.items() if name not in options}
    plain = type(shape.__name__, (), {"__module__": shape.__module__, "__annotations__": own})
    return get_type_hints(plain, include_extras=True)


def validate(shape: Any, given: Json, acts_on: Iterable[str]) -> Json:
    """The parameters with values of their types.

    Raises StripeError as Stripe does for what is unknown, missing or of another type; and, which
    Stripe does not, for a parameter of Stripe's that this server would have to ignore.
    """
    valid = as_fields("", given, shape)
    if ignored := sorted(set(valid) - {*acts_on, "expand"}):
        raise refused(
            f"fakestripe does not act on '{ignored[0]}', which Stripe knows. "
            "See its README for what it acts on.",
            code="fakestripe_unsupported",
            param=ignored[0],
        )
    return valid


def as_fields(name: str, given: Json, shape: Any) -> Json:
    hints = fields(shape)
    if not name and NO_LONGER in given:
        raise refused(
            f"`{NO_LONGER}` is no longer supported. Use dynamic payment methods, or "
            "`allowed_payment_method_types`.",
            f"{NO_LONGER}_no_longer_supported",
            NO_LONGER,
        )
    if unknown := [nested(name, key) for key in given if key not in hints]:
        some = "parameters" if len(unknown) > 1 else "parameter"
        raise refused(
            f"Received unknown {some}: {', '.join(unknown)}", "parameter_unknown", unknown[0]
        )
    for key in sorted(shape.__required_keys__):
        if key not in given:
            missing = nested(name, key)
            raise refused(f"Missing required param: {missing}.", "parameter_missing", missing)
    return {key: as_type(nested(name, key), value, hints[key]) for key, value in given.items()}


def nested(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


def as_type(name: str, value: Any, hint: Any) -> Any:
    """The value as its type wants it. Raises StripeError."""
    options = list(alternatives(hint))
    literals = [option for option in options if get_origin(option) is Literal]
    words = [word for literal in literals for word in get_args(literal)]
    if value == "":
        return as_empty(name, words)
    if isinstance(value, dict):
        return as_nested(name, value, options)
    choices = [word for word in words if word != ""]
    if value in choices:
        return value
    # An enumeration's type ends in `str`, for what may come; Stripe itself takes no other word.
    simple = [option for option in options if option in SCALARS and not (choices and option is str)]
    if simple:
        return as_scalar(name, value, simple)
    raise not_a_choice(name, choices) if choices else not_nested(name, options)


def alternatives(hint: Any) -> Iterable[Any]:
    """The types of a union, or the one type."""
    if get_origin(hint) in {Required, NotRequired}:
        yield from alternatives(get_args(hint)[0])
    elif get_origin(hint) in {Union, types.UnionType}:
        for option in get_args(hint):
            yield from alternatives(option)
    else:
        yield hint


def as_empty(name: str, words: list[Any]) -> str:
    if "" in words:
        return ""
    raise refused(
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset "
        f"a parameter; however '{name}' cannot be unset. You should remove '{name}' from your "
        "request or supply a non-empty value.",
        "parameter_invalid_empty",
        name,
    )


def not_a_choice(name: str, choices: list[str]) -> StripeError:
    *most, last = choices
    listed = f"{', '.join(most)}, or {last}" if most else last
    return refused(f"Invalid {name}: must be one of {listed}", param=name)


def as_nested(name: str, value: Json, options: list[Any]) -> Any:
    for option in options:
        if is_typeddict(option):
            return as_fields(name, value, option)
        if get_origin(option) is dict:
            return {key: as_word(nested(name, key), each) for key, each in value.items()}
        if get_origin(option) is list:
            of = get_args(option)[0]
            return [as_type(f"{name}[{key}]", each, of) for key, each in value.items()]
    raise refused(f"Invalid {name}: a single value is expected", param=name)


def as_word(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise refused(f"Invalid {name}: a single value is expected", param=name)


def as_scalar(name: str, value: str, options: list[Any]) -> Any:
    """The value as the first of the types that takes it."""
    *others, last = options
    for option in others:
        with suppress(StripeError):
            return SCALARS[option](name, value)
    return SCALARS[last](name, value)


def not_nested(name: str, options: list[Any]) -> StripeError:
    wanted = "array" if any(get_origin(option) is list for option in options) else "object"
    return refused(f"Invalid {wanted}", param=name)


def as_integer(name: str, value: str) -> int:
    if re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    raise refused(f"Invalid integer: {value}", "parameter_invalid_integer", name)


def as_boolean(name: str, value: str) -> bool:
    if value in {"true", "false"}:
        return value == "true"
    raise refused(f"Invalid boolean: {value}", param=name)


def as_number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise refused(f"Invalid decimal: {value}", param=name) from None


SCALARS: dict[Any, Any] = {int: as_integer, bool: as_boolean, float: as_number, str: as_word}
