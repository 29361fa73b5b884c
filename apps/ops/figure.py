"""A number on the home page."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, what it is of, and where the rows behind it are."""

    text: str
    value: str
    address: str = ""  # empty: there is no list, or not for this reader
    note: str = ""
    alarming: bool = False
