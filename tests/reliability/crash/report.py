"""The matrix as people and programs read it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from apps.messaging.failpoints import FAILPOINTS
from tests.reliability.crash.kit import Result

OUTCOMES = ("as without a crash", "wrong", "not reached")


def as_json(results: Sequence[Result], seconds: float, of: int) -> dict[str, Any]:
    """The cases with their outcomes, and the totals; `of` so many that there are."""
    return {
        "cases": len(results),
        "of": of,
        "points": len({each.case.failpoint for each in results if each.case}),
        "steps_and_actions": len({each.case.asked for each in results if each.case}),
        "outcomes": dict(Counter(each.outcome for each in results)),
        "seconds": round(seconds, 1),
        "results": [one(each) for each in results],
    }


def one(result: Result) -> dict[str, Any]:
    """One case."""
    case = result.case
    assert case
    return {
        "scenario": result.scenario.name,
        "definition": result.scenario.way.process.name,
        "mode": str(result.scenario.way.mode),
        "time": str(result.scenario.time),
        "process": str(case.role),
        "failpoint": case.failpoint,
        "step": case.asked.step,
        "action": case.asked.action,
        "late": str(case.late) if case.late else None,
        "outcome": result.outcome,
        "faults": result.faults,
    }


def show(console: Console, results: Sequence[Result], seconds: float) -> None:
    """A line for each failpoint, the cases that went wrong, the totals."""
    table = Table(title="Crashes", title_justify="left")
    table.add_column("failpoint", no_wrap=True)
    for words in ("steps and actions", "cases", *OUTCOMES):
        table.add_column(words, justify="right")
    for name in FAILPOINTS:
        of = [each for each in results if each.case and each.case.failpoint == name]
        if of:
            table.add_row(name, *map(str, line(of)))
    console.print(table)
    for each in results:
        if each.faults or not each.reached:
            console.print(str(each), style="red", highlight=False)
    console.print(f"{len(results)} cases in {seconds:.0f} s", highlight=False)


def line(results: Sequence[Result]) -> tuple[int, ...]:
    """Different steps and actions, cases, and how many came out how."""
    found = Counter(each.outcome for each in results)
    asked = {each.case.asked for each in results if each.case}
    return (len(asked), len(results), *(found[each] for each in OUTCOMES))
