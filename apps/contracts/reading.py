"""Reading JSON into structs, in processes that have threads.

What fields a struct has, msgspec finds out at its first use; a second thread that uses the struct
meanwhile crashes the process (msgspec 0.22: a segmentation fault, seen and repeated by a test). So
all that reads a type is made under one lock, before anybody reads with it.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_making = threading.Lock()
_readers: dict[Any, msgspec.json.Decoder[Any]] = {}


def read(document: bytes | str, wanted: type[T]) -> T:
    """A JSON document as a value of that type. Raises what msgspec's decoder raises."""
    return reader_of(wanted).decode(document)


def convert(value: object, wanted: type[T]) -> T:
    """A value that was read from JSON as one of that type. Raises msgspec.ValidationError."""
    reader_of(wanted)
    return msgspec.convert(value, wanted)


def reader_of(wanted: type[T]) -> msgspec.json.Decoder[T]:
    """The one decoder of a type in this process."""
    found = _readers.get(wanted)
    if found is None:
        with _making:
            found = _readers.setdefault(wanted, msgspec.json.Decoder(wanted))
    return found
