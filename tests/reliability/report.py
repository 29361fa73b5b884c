"""The page docs/reliability.md: what came of the long campaigns."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]
ORCHESTRATED, CHOREOGRAPHED = "orchestrated", "choreographed"
KIND = ("process", "mode", "driver", "status", "count")
INTRODUCTION = """# Reliability: the long campaigns

Written by `make reliability`, each part when its campaign ended. What they do:
[search](../tests/reliability/search/README.md), [by hand](../tests/reliability/by_hand/),
[crash kit](../tests/reliability/crash/README.md), [simulation](../tests/reliability/simulation/). A
shorter form of each is in `make test`.

What goes wrong outside, at the card gateway and the carrier, is tried by
[tests/outside](../tests/outside/), an order for each fault at each call; and all at once, with 500
baskets, by `make demo PAYMENT=mixed FAULTS=5 ORDERS=500`.

A saga is *orchestrated*: the engine commands it. Or *choreographed*: events drive it, until time,
the customer or a person has the engine *take it over*. A customer may wish to *cancel* at any time;
an order that is confirmed already is *taken back* by a saga of its own, `cancel_order`."""


def page(parts: Mapping[str, str]) -> str:
    """The whole page, of the parts of some campaigns by name."""
    return "\n\n".join([INTRODUCTION, *(parts[each] for each in TITLES if each in parts)]) + "\n"


def parts_of(text: str) -> dict[str, str]:
    """The campaigns' parts of a page that was written before."""
    _, *found = text.strip().split("\n\n## ")
    parts = {each.partition("\n")[0]: f"## {each}" for each in found}
    return {name: parts[title] for name, title in TITLES.items() if title in parts}


def part(name: str, result: Figures, commit: str, day: str) -> str:
    """What came of one campaign. One that came to no figures is told as such."""
    told = [
        f"## {TITLES[name]}",
        f"{verdict(result)} At commit {commit}, {day}, in {result['seconds']:,} s.",
    ]
    if result["figures"]:
        told += PARTS[name](result["figures"])
    return "\n\n".join(told)


def verdict(result: Figures) -> str:
    """Whether it went well."""
    if not result["figures"]:
        return "**It ended without figures**: run it by itself."
    return "**No violation.**" if result["status"] == 0 else "**VIOLATIONS**, as told below."


def searched(figures: Figures) -> Iterable[str]:
    """A row for each configuration."""
    runs = figures["searches"]
    total = sum(each["states"] for each in runs)
    by_events = [each for each in runs if each["mode"] == CHOREOGRAPHED]
    cancelled = sum(each["cancels"] for each in runs)
    yield (
        f"Every reachable state of {len(runs)} configurations: {total:,} states. By events, with"
        f" taking over, go {len(by_events)} of them ({states(by_events):,} states); in {cancelled}"
        " a customer may wish to cancel."
    )
    yield table(
        ("configuration", "mode", "states", "transitions", "result"),
        [(r["configuration"], r["mode"], r["states"], r["transitions"], r["result"]) for r in runs],
    )


def states(runs: Iterable[Figures]) -> int:
    """How many there were in all of these searches."""
    return sum(each["states"] for each in runs)


def broken(figures: Figures) -> Iterable[str]:
    """A row for each rule that was broken on purpose, in both modes; where one cannot show, why."""
    of_rule: dict[str, list[Figures]] = defaultdict(list)
    for each in figures["searches"]:
        of_rule[each["broken"]].append(each)
    for mode in (ORCHESTRATED, CHOREOGRAPHED):
        tried = [e for e in figures["searches"] if e["mode"] == mode and not e.get("cannot")]
        noticed = sum(bool(each.get("problem")) for each in tried)
        yield f"{mode.capitalize()}, {noticed} of {len(tried)} broken rules were noticed."
    rows = [
        (rule, *(moves(runs, mode) for mode in (ORCHESTRATED, CHOREOGRAPHED)), what_shows(runs))
        for rule, runs in of_rule.items()
    ]
    yield table(("broken rule", f"moves, {ORCHESTRATED}", CHOREOGRAPHED, "what shows"), rows)
    reasons: dict[str, list[str]] = defaultdict(list)
    for each in figures["searches"]:
        if reason := each.get("cannot"):
            reasons[f"{each['mode'].capitalize()}, {reason}"].append(each["broken"])
    yield "What cannot show was searched, too, and did not:"
    yield from bullets(f"{reason}: {'; '.join(rules)}" for reason, rules in reasons.items())


def moves(runs: Iterable[Figures], mode: str) -> object:
    """After how many moves a broken rule shows in a mode."""
    found = next((each for each in runs if each["mode"] == mode), None)
    if found is None:
        return "not searched"
    if found.get("cannot"):
        return "SHOWS" if found.get("problem") else "cannot"
    return found["moves"] if found.get("problem") else "NOTHING"


def what_shows(runs: Iterable[Figures]) -> str:
    """By which law a broken rule is noticed."""
    return next((each["problem"] for each in runs if each.get("problem")), "NOTHING")


def by_hand(figures: Figures) -> Iterable[str]:
    """A row for each thing that happened at every point of a saga."""
    rounds = figures["rounds"]
    yield (
        f"{sum(each['cases'] for each in rounds):,} sagas, each stopped at a point of its own."
        " There it is taken over, whatever the tracker has heard of it; or its customer wishes to"
        " cancel. What was on its way then comes before or after all that follows."
    )
    yield table(
        ("mode", "what happens", "sagas", "ends"),
        [(r["mode"], r["what"], r["cases"], counted(r["ends"])) for r in rounds],
    )
    yield from bullets(
        f"{each['mode']}, {each['what']}: {each['problem']}" for each in rounds if each["problem"]
    )


def counted(many: Mapping[str, int]) -> str:
    """Names with their numbers."""
    return ", ".join(f"{count:,} {name}" for name, count in many.items())


def crashed(figures: Figures) -> Iterable[str]:
    """A row for each failpoint, then each case that went wrong."""
    cases, outcomes = figures["results"], sorted(figures["outcomes"])
    yield (
        f"{figures['cases']:,} of {figures['of']:,} cases: a process is killed at a failpoint"
        f" ({figures['points']} of them), at each step and action"
        f" ({figures['steps_and_actions']}), and started again."
    )
    yield table(("what happens", ORCHESTRATED, CHOREOGRAPHED), by_mode(cases))
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


TIMES = {
    "enough": "in time",
    "late": "late; by events then taken over",
    "over": "out of time; by events then taken over",
    "wished": "cancelled under way; by events then taken over",
    "lost": "its start is lost",
    "carrier": "the carrier comes later",
}


BEHIND = {
    "cancel_order": "a confirmed order is taken back",
    "return_order": "goods of a confirmed order come back",
}


def by_mode(cases: Iterable[Figures]) -> list[tuple[object, ...]]:
    """How many cases of what there were in each mode."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for each in cases:
        what = BEHIND.get(each["definition"]) or TIMES[each["time"]]
        found[what][each["mode"]] += 1
    return [(what, of[ORCHESTRATED], of[CHOREOGRAPHED]) for what, of in found.items()]


def simulated(figures: Figures) -> Iterable[str]:
    """Ends, faults by kind, violations with their seeds."""
    first = figures["first"]
    yield (
        f"Seeds {first:,} to {first + figures['seeds'] - 1:,}: {figures['orders']:,} orders in"
        f" {figures['simulated_hours']:,} simulated hours. {figures['taken_over']:,} sagas were"
        f" taken over. Of wishes to cancel: {counted(figures['wishes'])}. Of returns:"
        f" {counted(figures['returns'])}."
    )
    yield table(
        ("process", "mode", "driven to its end by", "end", "sagas"),
        [[each[name] for name in KIND] for each in figures["sagas"]],
    )
    yield table(("fault", "times"), list(figures["faults"].items()))
    yield from bullets(
        f"seed {each['seed']}: {each['violation']}" for each in figures["violations"]
    )


PARTS = {
    "search": searched,
    "broken rules": broken,
    "by hand": by_hand,
    "crash": crashed,
    "simulation": simulated,
}
TITLES = {
    "search": "Search",
    "broken rules": "Broken rules",
    "by hand": "By hand",
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
