"""What ended in each of the last hours, as bars and as a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from apps.messaging.display import words
from apps.ops.figure import Figure
from apps.sagas.figures import HOURS, Ends
from apps.sagas.state import Status

WIDTH, HEIGHT, GAP = 20, 120, 4  # of a bar with its gap, and of the tallest one, in the drawing


class Address(Protocol):
    """Where the list is of what ended in these of the last hours, and is as chosen."""

    def __call__(self, hours: range, **chosen: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour: what is drawn, and what is said."""

    since: datetime
    confirmed: int
    undone: int
    x: int
    confirmed_height: int
    undone_height: int
    address: str
    counts: Sequence[Figure]  # confirmed and undone
    reasons: Sequence[Figure]  # why some were undone

    @property
    def width(self) -> int:
        return WIDTH - GAP

    @property
    def confirmed_y(self) -> int:
        return HEIGHT - self.confirmed_height

    @property
    def undone_y(self) -> int:
        return self.confirmed_y - self.undone_height


@dataclass(frozen=True, slots=True)
class Chart:
    """The hours, the oldest first."""

    bars: Sequence[Bar]
    most: int  # in one hour: as tall as the drawing
    confirmed: int
    undone: int
    totals: Sequence[Figure]
    width: int = WIDTH * HOURS
    height: int = HEIGHT


def chart_of(ends: Sequence[Ends], now: datetime, address: Address) -> Chart:
    """`ends` are of the last 24 hours."""
    confirmed, undone = [0] * HOURS, [0] * HOURS
    for each in ends:
        hours = confirmed if each.status == Status.CONFIRMED else undone
        hours[each.hours_ago] += each.count
    in_all = [*map(sum, zip(confirmed, undone, strict=True))]
    most = max(in_all)
    bars = [
        Bar(
            since=now - timedelta(hours=ago + 1),
            confirmed=confirmed[ago],
            undone=undone[ago],
            x=(HOURS - 1 - ago) * WIDTH,
            confirmed_height=_height(confirmed[ago], most),
            undone_height=_height(undone[ago], most),
            address=address(_hour(ago)),
            counts=[*_counts(confirmed[ago], undone[ago], _hour(ago), address)],
            reasons=[*_reasons(ends, ago, address)],
        )
        for ago in reversed(range(HOURS))
    ]
    fullest = address(_hour(in_all.index(most))) if most else ""
    totals = [
        *_counts(sum(confirmed), sum(undone), range(HOURS), address),
        Figure("most in an hour", f"{most:,}", fullest),
    ]
    return Chart(bars, most, sum(confirmed), sum(undone), totals)


def why(step: str, error: str) -> str:
    """What turned sagas back, for people."""
    return f"{words(step)}: {error}"


def _hour(ago: int) -> range:
    return range(ago, ago + 1)


def _counts(confirmed: int, undone: int, hours: range, address: Address) -> Iterator[Figure]:
    """Both, each with its list; of none there is nothing to look at."""
    for status, count in ((Status.CONFIRMED, confirmed), (Status.UNDONE, undone)):
        there = address(hours, status__exact=status.value) if count else ""
        yield Figure(status.value, f"{count:,}", there)


def _reasons(ends: Sequence[Ends], ago: int, address: Address) -> Iterator[Figure]:
    """Why those of an hour were undone, the commonest first."""
    found = [each for each in ends if each.hours_ago == ago and each.status == Status.UNDONE]
    for each in sorted(found, key=lambda each: -each.count):
        chosen = {"cause_step": each.cause_step, "cause_type": each.cause_type}
        there = address(_hour(ago), **chosen)
        yield Figure(why(each.cause_step, each.cause_type), f"{each.count:,}", there)


def _height(count: int, most: int) -> int:
    """So that one of many can still be seen."""
    return max(count * HEIGHT // most, 2) if count else 0
