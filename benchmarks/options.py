"""What the caller wants to be measured."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from sagaplatform.env import CONTEXTS

POINTS = "1,8,64,open"
MODES = ("choreographed", "orchestrated")
SYSTEMS = (*(name for mode in MODES for name in (mode, f"floor-{mode}")), "dbos")


@dataclass(frozen=True)
class Options:
    """What is to be measured."""

    sagas: int  # at open throttle
    points: tuple[str, ...]
    repetitions: int
    systems: tuple[str, ...]
    profile: str | None  # the context to profile instead
    must_be_durable: bool
    json: bool
    guard: bool  # fail where a ratio is below what it was


def options_from(arguments: Sequence[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="The platform beside its floor and its peer, in one run: docs/benchmarks.md.",
    )
    parser.add_argument("--sagas", type=int, default=4000, help="at open throttle (%(default)s)")
    parser.add_argument("--concurrency", default=POINTS, help="sagas in flight (%(default)s)")
    parser.add_argument("--repetitions", type=int, default=3, help="of each point (%(default)s)")
    parser.add_argument(
        "--only", default=",".join(SYSTEMS), type=_systems, help="of these (%(default)s)"
    )
    parser.add_argument(
        "--profile", choices=CONTEXTS, help="profile this consumer instead, in the first mode"
    )
    parser.add_argument("--guard", action="store_true", help="fail below the ratios of ratios.py")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument(
        "--not-durable", action="store_true", help="servers may lose data: to try the benchmark"
    )
    given = parser.parse_args(arguments)
    return Options(
        sagas=given.sagas,
        points=tuple(given.concurrency.split(",")),
        repetitions=given.repetitions,
        systems=given.only,
        profile=given.profile,
        must_be_durable=not given.not_durable,
        json=given.json,
        guard=given.guard,
    )


def _systems(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(SYSTEMS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not among {SYSTEMS}")
    return names
