"""`python -m tests.reliability.crash --full --json FILE`, on the servers of the tests.

Without --full a sample that covers each failpoint, step and action. Exit 1 where a crash shows.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import django
from rich.console import Console


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.crash", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every case of every scenario")
    parser.add_argument("--every", type=int, metavar="N", help="beside the sample, each N-th case")
    parser.add_argument("--only", default="", help="cases whose words contain this")
    parser.add_argument("--json", type=Path, help="write all results there too")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    django.setup()
    return run(every=1 if options.full else options.every, only=options.only, file=options.json)


def run(*, every: int | None, only: str, file: Path | None) -> int:
    """Run the chosen cases and show what came of them."""
    from tests.conftest import connect_owners
    from tests.reliability.crash.kit import Kit, Result
    from tests.reliability.crash.points import sample, thinned
    from tests.reliability.crash.report import as_json, show
    from tests.reliability.crash.scenarios import SCENARIOS, Shop

    console, began = Console(), time.monotonic()
    chosen = thinned(SCENARIOS, every) if every else sample(SCENARIOS)
    owners: dict[str, object] = {}
    connect_owners(owners)
    results: list[Result] = []
    folder = tempfile.TemporaryDirectory()
    with folder as place, Kit(owners, Path(place), Shop, tell=console.print) as kit:
        for scenario in SCENARIOS:
            cases = [each for each in chosen[scenario.name] if only in f"{scenario}: {each}"]
            console.print(f"{scenario}: {len(cases)} cases", highlight=False)
            results += kit.run(scenario, cases)
    seconds = time.monotonic() - began
    show(console, results, seconds)
    of = sum(len(each.cases()) for each in SCENARIOS)
    if file:
        file.write_text(json.dumps(as_json(results, seconds, of), indent=1))
    return int(any(each.faults or not each.reached for each in results))


if __name__ == "__main__":
    sys.exit(main())
