"""Putting simulated things in the place of real ones, wherever the code has imported them."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from unittest.mock import patch

PACKAGE = "apps."


def places_of(original: object) -> list[tuple[Any, str]]:
    """Every module of ours that has it, and under which name."""
    return [
        (module, name)
        for module_name, module in list(sys.modules.items())
        if module_name.startswith(PACKAGE)
        for name, value in list(vars(module).items())
        if value is original
    ]


@contextmanager
def everywhere(original: object, stand_in: object) -> Iterator[None]:
    """In here, every module of ours that has imported `original` has `stand_in`."""
    places = places_of(original)
    assert places, f"nothing has imported {original!r}"
    for module, name in places:
        setattr(module, name, stand_in)
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, original)


@contextmanager
def attribute(owner: object, name: str, stand_in: object) -> Iterator[None]:
    """In here, one attribute of a class, module or object is another."""
    original = getattr(owner, name)
    setattr(owner, name, stand_in)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def item(table: Mapping[Any, Any], key: object, stand_in: object) -> Iterator[None]:
    """In here, one entry of a table is another."""
    with patch.dict(cast(dict[Any, Any], table), {key: stand_in}):
        yield
