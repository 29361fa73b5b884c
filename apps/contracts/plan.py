"""The plan of one saga: fixed when it starts, carried by each of its messages."""

import enum
from functools import lru_cache

import msgspec


class Mode(enum.StrEnum):
    """Who asks: a command of the engine, or an event that was heard."""

    ORCHESTRATED = "orchestrated"
    CHOREOGRAPHED = "choreographed"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Which steps a saga takes, in order, and how it began. No flag or deploy changes it."""

    process: str
    version: int
    mode: Mode
    steps: tuple[str, ...]

    def to_header(self) -> str:
        """`place_order/1/orchestrated/create_order,reserve_stock,…`"""
        return "/".join((self.process, str(self.version), self.mode, ",".join(self.steps)))

    @classmethod
    def from_header(cls, text: str) -> "Plan":
        """Raises ValueError with the text where it is no plan."""
        return _parse(text)


@lru_cache(maxsize=1024)
def _parse(text: str) -> Plan:
    try:
        process, version, mode, steps = text.split("/")
        return Plan(
            process=process, version=int(version), mode=Mode(mode), steps=tuple(steps.split(","))
        )
    except ValueError as error:
        raise ValueError(
            f"not a plan: {text!r}; expected process/version/mode/step,step"
        ) from error
