"""python -m tests.reliability.simulation: one seed told event by event, or a campaign of many.

Needs the test databases: `make test` starts them, or
`python -m sagaplatform.stack run --test -- python -m tests.reliability.simulation --seed 7`.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:  # imported when Django is set up
    from tests.reliability.simulation.harness import Owners
    from tests.reliability.simulation.simulation import Report


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    django.setup()
    options = _options()
    from tests.conftest import connect_owners
    from tests.reliability.simulation.harness import prepared

    owners: Owners = {}
    connect_owners(owners)
    with prepared(owners):
        return _tell_one(options, owners) if options.seed is not None else _many(options, owners)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.simulation")
    parser.add_argument("--seed", type=int, help="run this one and tell its story")
    parser.add_argument("--seeds", type=int, default=300, help="run so many")
    parser.add_argument("--first", type=int, default=1, help="the first seed of a campaign")
    parser.add_argument("--mutation", default="", help="with this mistake planted")
    parser.add_argument("--json", type=Path, help="write what a campaign came to here")
    return parser.parse_args()


def _tell_one(options: argparse.Namespace, owners: "Owners") -> int:
    from tests.reliability.simulation.harness import run
    from tests.reliability.simulation.mutations import planted

    with planted(options.mutation):
        report = run(options.seed, owners)
    sys.stdout.write("\n".join(report.trace) + "\n")
    _say(f"seed {report.seed}: {report.violation or 'all laws hold'}")
    return 1 if report.violation else 0


def _many(options: argparse.Namespace, owners: "Owners") -> int:
    from tests.reliability.simulation.harness import campaign
    from tests.reliability.simulation.mutations import planted

    with planted(options.mutation):
        seeds = range(options.first, options.first + options.seeds)
        result = campaign(seeds, owners, tell=_tell_violation)
    told = json.dumps(result.as_json(), indent=2)
    if options.json:
        options.json.write_text(told + "\n")
    _say(told)
    return 1 if result.violations else 0


def _tell_violation(report: "Report") -> None:
    sys.stderr.write(f"seed {report.seed}: {report.violation}\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
