"""What is searched: the quick ones by every run of the tests, all of them by a campaign."""

from tests.reliability.search.states import Configuration

QUICK = {
    "orchestrated": Configuration(waits=True, retries=1, cancel=True),
    "two attempts": Configuration(waits=True, retries=1, cancel=True, attempts=2),
    "turned back by people": Configuration(waits=True, retries=1, cancel=True, compensate=True),
    "skipped": Configuration(waits=True, retries=1, cancel=True, skip=True),
    "parked": Configuration(cancel=True, compensate=True, parking=True),
    "paused": Configuration(waits=True, cancel=True, compensate=True, pause=True),
    "undo refused": Configuration(cancel=True, declines=True, raises=1),
    "undone by hand": Configuration(by_hand=True, raises=1),
    "by events": Configuration(by_events=True, cancel=True),
    "leases lost": Configuration(compensate=True, by_hand=True, leases=True),
}
FULL = {
    "two retries": Configuration(
        waits=True, retries=2, cancel=True, compensate=True, skip=True, parking=True),
    "paused, every move": Configuration(
        waits=True, retries=1, cancel=True, compensate=True, skip=True, pause=True),
    "undo refused, by hand": Configuration(by_hand=True, declines=True, raises=1),
    "sparing network": Configuration(waits=True, retries=1, cancel=True, sparing=True),
    "sparing network, parked": Configuration(parking=True, sparing=True),
    "long plan": Configuration(
        long=True, waits=True, retries=1, cancel=True, compensate=True, declines=True),
    "every hand but the desk's": Configuration(
        waits=True, retries=1, raises=1, cancel=True, compensate=True, parking=True, skip=True,
        declines=True),
    "findings, parked and retried": Configuration(
        waits=True, retries=1, compensate=True, parking=True, by_hand=True, leases=True),
    "by events, turned back by people": Configuration(
        by_events=True, cancel=True, compensate=True, retries=1),
    "by events, undo refused": Configuration(by_events=True, declines=True, raises=1),
    "by events, long plan": Configuration(by_events=True, long=True, cancel=True),
    "by events, parked": Configuration(
        by_events=True, cancel=True, compensate=True, retries=1, parking=True, attempts=2),
    "every hand at the desk": Configuration(
        raises=1, cancel=True, compensate=True, skip=True, by_hand=True, declines=True),
}  # fmt: skip
ALL = {**QUICK, **FULL}
