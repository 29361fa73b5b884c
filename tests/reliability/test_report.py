"""The report tells what was found, and what was not."""

from typing import Any

from tests.reliability.report import page

SEARCHES = [{"configuration": "plain", "states": 5366, "transitions": 18470, "result": "clean"}]
BROKEN = [
    {"broken": "no tombstone", "moves": 4, "problem": "undone | done"},
    {"broken": "no lease", "moves": 0},
]
CASE = {
    "scenario": "by card", "process": "worker", "failpoint": "intent.called", "action": "do",
    "step": "capture", "outcome": "as without a crash", "faults": [],
}  # fmt: skip
SOUND: dict[str, Any] = {
    "search": {"searches": SEARCHES},
    "broken rules": {"searches": BROKEN},
    "crash": {
        "cases": 2,
        "points": 1,
        "steps_and_actions": 1,
        "outcomes": {"wrong": 1, "as without a crash": 1},
        "results": [CASE, {**CASE, "outcome": "wrong", "faults": ["charged twice"]}],
    },
    "simulation": {
        "first": 11,
        "seeds": 1200,
        "orders": 7000,
        "simulated_hours": 31.5,
        "ends": {"confirmed": 4000, "undone": 3000},
        "faults": {"kill": 1234},
        "violations": [{"seed": 17, "violation": "I3"}],
    },
}


def written(**changes: dict[str, Any]) -> str:
    results = {
        name: {"status": 0, "seconds": 60, "figures": figures} | changes.get(name, {})
        for name, figures in SOUND.items()
    }
    return page("abc1234", "2026-11-26", results)


def test_the_totals_are_told() -> None:
    told = written()
    assert "(1200 seeds), at commit abc1234, 2026-11-26" in told
    assert "1 configurations: 5,366 states." in told
    assert "1 of 2 rules that were broken on purpose were noticed." in told
    assert "| no tombstone | 4 | undone \\| done |" in told
    assert "| no lease | 0 | NOTHING |" in told
    assert "| intent.called | 2 | 1 | 1 |" in told
    assert "Seeds 11 to 1,210: 7,000 orders in 31.5 simulated hours" in told
    assert "| kill | 1,234 |" in told


def test_what_went_wrong_is_told_so_that_it_can_be_run_again() -> None:
    told = written(crash={"status": 1}, simulation={"status": 1})
    assert told.count("**VIOLATIONS**") == 2
    assert "- by card, worker at intent.called of do capture: wrong charged twice" in told
    assert "- seed 17: I3" in told


def test_a_campaign_that_died_is_no_success() -> None:
    assert "**It ended without figures**" in written(simulation={"status": 1, "figures": {}})
