"""`python -m tests.reliability.by_hand --json FILE`, on the servers of the tests.

The whole campaign: sagas are taken over after each event, whatever the tracker has heard of them,
and customers wish to cancel after each message, in both modes. Exit 1 where something ends wrong.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from rich.console import Console

if TYPE_CHECKING:  # imported when Django is set up
    from tests.reliability.by_hand.test_wishes import Case, End
    from tests.reliability.simulation.harness import Owners

Round = tuple[str, str, Callable[[], Counter[str]]]  # mode, what happens, run it


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.by_hand", description=__doc__
    )
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    django.setup()
    from tests.conftest import connect_owners
    from tests.reliability.simulation.harness import prepared

    owners: Owners = {}
    connect_owners(owners)
    with prepared(owners):
        found = [outcome(*each) for each in rounds(owners)]
    if options.json:
        options.json.write_text(json.dumps({"rounds": found}, indent=1))
    return int(any(each["problem"] for each in found))


def rounds(owners: "Owners") -> Iterator[Round]:
    """All that can be tried, many sagas at once in each."""
    from apps.contracts.plan import Mode
    from tests.reliability.by_hand import test_taking_over as taking_over
    from tests.reliability.by_hand import test_wishes as wishes

    for each in taking_over.TAKING_OVER:
        says = f"taken over: {each.__name__.replace('_', ' ')}"
        yield str(Mode.CHOREOGRAPHED), says, partial(taking_over.check, owners, each, full=True)
    for mode in Mode:
        says = "a wish to cancel what is undone anyway"
        yield str(mode), says, lambda m=mode: ends(wishes.check_undone(owners, m))  # type: ignore[misc]
        for name, carrier in wishes.CARRIERS.items():
            says = f"a wish to cancel, the carrier comes {name}"
            run = partial(wishes.check_confirmed, owners, mode, carrier)
            yield str(mode), says, lambda run=run: ends(run())  # type: ignore[misc]


def ends(found: "dict[Case, End]") -> Counter[str]:
    """How orders ended that their customers wished to cancel."""
    return Counter(
        "taken back" if end.returned and end.order == "cancelled" else end.order
        for end in found.values()
    )


def outcome(mode: str, says: str, run: Callable[[], Counter[str]]) -> dict[str, Any]:
    """What came of a round."""
    from tests.reliability.simulation.simulation import Broken

    began, problem, found = time.monotonic(), "", Counter[str]()
    try:
        found = run()
    except (AssertionError, Broken) as error:
        problem = f"{type(error).__name__}: {error}"
    cases = {"cases": found.total(), "ends": dict(sorted(found.items()))}
    Console().print(f"{mode}, {says}: {problem or cases}", highlight=False)
    seconds = round(time.monotonic() - began, 1)
    return {"mode": mode, "what": says, **cases, "problem": problem, "seconds": seconds}


if __name__ == "__main__":
    sys.exit(main())
