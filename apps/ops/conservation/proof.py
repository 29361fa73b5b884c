"""Runs the laws, twice where something differs, and tells what came of it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from django.conf import settings

from apps.payments.differences import GRACE

EXAMPLES = 5


class Fault(NamedTuple):
    """What breaks a law, and how, in words."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """When the databases are looked at, and what is too fresh to be looked at."""

    settled_before: datetime  # a saga that ended later may still be on its way in other contexts
    overdue_before: datetime  # a message that waits since then waits for too long
    shipped_before: datetime  # what was confirmed before then should have left the house

    @classmethod
    def at(cls, now: datetime, patience: "Patience") -> Self:
        return cls(now - patience.moment, now - patience.overdue, now - patience.shipping)


@dataclass(slots=True)
class Tally:
    """What one law found."""

    checked: int = 0
    faults: list[Fault] = field(default_factory=list)

    def look(self, subject: str, texts: Iterator[str]) -> None:
        """Count one thing, and what is wrong with it."""
        self.checked += 1
        self.faults.extend(Fault(subject, text) for text in texts)

    def fault(self, subject: str, text: str) -> None:
        """Something is wrong that is counted already."""
        self.faults.append(Fault(subject, text))


Tallies = dict["Law", Tally]


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """One law of docs/architecture.md, or a part of one."""

    id: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.id}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is told of one law."""

    law: Law
    checked: int
    faults: tuple[Fault, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "law": self.law.id,
            "sentence": self.law.sentence,
            "checked": self.checked,
            "violations": len(self.faults),
            "examples": [f"{subject}: {text}" for subject, text in self.faults[:EXAMPLES]],
        }


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what differs may take to settle."""

    moment: timedelta = timedelta(seconds=3)  # after a saga's end, before it is looked at
    overdue: timedelta = timedelta(seconds=30)  # in an outbox, before a message is overdue
    # After a confirmed end until the parcel has left; late is not lost.
    shipping: timedelta = field(default_factory=lambda: timedelta(seconds=_hand_over_by()))
    second_look: float = 2.0  # seconds until the second look at what differs
    gateway: timedelta = GRACE  # after a card payment moved, before it is compared with Stripe


COLLECTED_WITHIN = 3 * 24 * 3600  # seconds: a carrier outside comes when it comes, over a weekend


def _hand_over_by() -> int:
    """Seconds: five minutes after the carrier's hour; a carrier outside may take days."""
    return int(settings.HAND_OVER_AFTER) + (COLLECTED_WITHIN if settings.CARRIER_URL else 300)


class Unfinished(NamedTuple):
    """The sagas that no law across databases speaks of yet."""

    live: int  # not ended
    oldest: timedelta  # since the oldest of these started; 0 where there is none
    unsettled: int  # confirmed, but not shipped yet
    parked: int = 0  # messages that could not be handled, or wait behind one

    def __bool__(self) -> bool:
        return bool(self.live or self.unsettled)


class Sight(NamedTuple):
    """What one look found."""

    tallies: Tallies
    unfinished: Unfinished


Look = Callable[[Patience], Sight]


def look_twice(look: Look, patience: Patience) -> tuple[list[Verdict], Unfinished]:
    """Judge by what is found now; what differs counts only if it still does after a while."""
    first, unfinished = look(patience)
    if not any(tally.faults for tally in first.values()):
        return [_verdict(law, tally, []) for law, tally in first.items()], unfinished
    time.sleep(patience.second_look)
    second, unfinished = look(patience)
    verdicts = [
        _verdict(law, tally, _seen_before(tally.faults, first[law].faults))
        for law, tally in second.items()
    ]
    return verdicts, unfinished


def _seen_before(faults: list[Fault], earlier: list[Fault]) -> list[Fault]:
    known = {fault.subject for fault in earlier}
    return [fault for fault in faults if fault.subject in known]


def _verdict(law: Law, tally: Tally, faults: list[Fault]) -> Verdict:
    return Verdict(law, tally.checked, tuple(faults))
