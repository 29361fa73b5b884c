"""The page docs/reliability.md: what came of the long campaigns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]
INTRODUCTION = """# Reliability: the long campaigns

Written by `make reliability` ({seeds} seeds), at commit {commit}, {day}. What each campaign does:
[search](../tests/reliability/search/README.md), [crash kit](../tests/reliability/crash/README.md),
[simulation](../tests/reliability/simulation/). A shorter form of each is in `make test`."""


def page(commit: str, day: str, results: Mapping[str, Figures]) -> str:
    """The whole page. A campaign that came to no figures is told as such."""
    seeds = results["simulation"]["figures"].get("seeds", "no")
    parts = [INTRODUCTION.format(commit=commit, day=day, seeds=seeds)]
    for name, part in PARTS.items():
        result = results[name]
        parts.append(f"## {TITLES[name]}\n\n{verdict(result)}")
        if result["figures"]:
            parts += part(result["figures"])
    return "\n\n".join(parts) + "\n"


def verdict(result: Figures) -> str:
    """Whether it went well, and how long it took."""
    held = "**No violation.**" if result["status"] == 0 else "**VIOLATIONS**, as told below."
    if not result["figures"]:
        held = "**It ended without figures**: run it by itself."
    return f"{held} {result['seconds']:,} s."


def searched(figures: Figures) -> Iterable[str]:
    """A row for each configuration."""
    runs = figures["searches"]
    total = sum(each["states"] for each in runs)
    yield f"Every reachable state of {len(runs)} configurations: {total:,} states."
    yield table(
        ("configuration", "states", "transitions", "result"),
        [(r["configuration"], r["states"], r["transitions"], r["result"]) for r in runs],
    )


def broken(figures: Figures) -> Iterable[str]:
    """A row for each rule that was broken on purpose."""
    runs = figures["searches"]
    noticed = [each for each in runs if each.get("problem")]
    yield f"{len(noticed)} of {len(runs)} rules that were broken on purpose were noticed."
    yield table(
        ("broken rule", "moves until it shows", "what shows"),
        [(r["broken"], r["moves"], r.get("problem", "NOTHING")) for r in runs],
    )


def crashed(figures: Figures) -> Iterable[str]:
    """A row for each failpoint, then each case that went wrong."""
    cases, outcomes = figures["results"], sorted(figures["outcomes"])
    yield (
        f"{figures['cases']:,} cases: a process is killed at a failpoint ({figures['points']} of"
        f" them), at each step and action ({figures['steps_and_actions']}), and started again."
    )
    of_point: dict[str, list[Figures]] = defaultdict(list)
    for each in cases:
        of_point[each["failpoint"]].append(each)
    rows = [
        (point, len(those), *(sum(each["outcome"] == one for each in those) for one in outcomes))
        for point, those in of_point.items()
    ]
    totals = ("all", len(cases), *(figures["outcomes"][each] for each in outcomes))
    yield table(("failpoint", "cases", *outcomes), [*rows, totals])
    yield from bullets(
        f"{each['scenario']}, {each['process']} at {each['failpoint']} of {each['action']}"
        f" {each['step']}: {each['outcome']} {'; '.join(each['faults'])}"
        for each in cases
        if each["faults"] or each["outcome"] != "as without a crash"
    )


def simulated(figures: Figures) -> Iterable[str]:
    """Ends, faults by kind, violations with their seeds."""
    first = figures["first"]
    ends = ", ".join(f"{count:,} {name}" for name, count in figures["ends"].items())
    yield (
        f"Seeds {first:,} to {first + figures['seeds'] - 1:,}: {figures['orders']:,} orders in"
        f" {figures['simulated_hours']:,} simulated hours; {ends}."
    )
    yield table(("fault", "times"), list(figures["faults"].items()))
    yield from bullets(
        f"seed {each['seed']}: {each['violation']}" for each in figures["violations"]
    )


PARTS = {"search": searched, "broken rules": broken, "crash": crashed, "simulation": simulated}
TITLES = {
    "search": "Search",
    "broken rules": "Broken rules",
    "crash": "Crash kit",
    "simulation": "Simulation",
}


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown; numbers stand on the right."""
    kept = list(rows)
    sides = ["---:" if isinstance(each, int) else "---" for each in (kept[0] if kept else heads)]
    lines = [heads, sides, *([cell(each) for each in row] for row in kept)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: object) -> str:
    """As it may stand between two bars."""
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def bullets(items: Iterable[str]) -> Iterable[str]:
    """A list, if there is anything to list."""
    if lines := [f"- {each}" for each in items]:
        yield "\n".join(lines)
