"""What ended in each of the last hours, as bars and as a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.sagas.figures import HOURS, Ends
from apps.sagas.state import Status

WIDTH, HEIGHT, GAP = 20, 120, 4  # of a bar with its gap, and of the tallest one, in the drawing


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
    width: int = WIDTH * HOURS
    height: int = HEIGHT


def chart_of(ends: Sequence[Ends], now: datetime, address: Callable[[int], str]) -> Chart:
    """`address` is that of the list of an hour, by how many hours ago it ended."""
    confirmed, undone = [0] * HOURS, [0] * HOURS
    for each in ends:
        hours = confirmed if each.status == Status.CONFIRMED else undone
        hours[each.hours_ago] += each.count
    most = max(map(sum, zip(confirmed, undone, strict=True)))
    bars = [
        Bar(
            since=now - timedelta(hours=ago + 1),
            confirmed=confirmed[ago],
            undone=undone[ago],
            x=(HOURS - 1 - ago) * WIDTH,
            confirmed_height=_height(confirmed[ago], most),
            undone_height=_height(undone[ago], most),
            address=address(ago),
        )
        for ago in reversed(range(HOURS))
    ]
    return Chart(bars, most, sum(confirmed), sum(undone))


def _height(count: int, most: int) -> int:
    """So that one of many can still be seen."""
    return max(count * HEIGHT // most, 2) if count else 0
