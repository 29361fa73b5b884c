"""The report tells what was found, and what was not."""

from typing import Any

from tests.reliability.report import page, part, parts_of

ENGINE, EVENTS = {"mode": "orchestrated"}, {"mode": "choreographed"}
SEARCH = {"configuration": "plain", "transitions": 18470, "result": "clean", "cancels": False}
SEARCHES = [
    {**SEARCH, **ENGINE, "states": 5366},
    {**SEARCH, **EVENTS, "states": 1000, "cancels": True},
]
BROKEN = [
    {**ENGINE, "broken": "no tombstone", "moves": 4, "problem": "undone | done"},
    {**EVENTS, "broken": "no tombstone", "moves": 7, "problem": "undone | done"},
    {**ENGINE, "broken": "no lease", "moves": 0},
    {**EVENTS, "broken": "no lease", "moves": 0, "cannot": "none is lost"},
    {**ENGINE, "broken": "no fence", "moves": 0, "cannot": "nothing is taken over"},
    {**EVENTS, "broken": "no fence", "moves": 9, "problem": "captured"},
    {**ENGINE, "broken": "not closed", "moves": 8, "problem": "stuck"},
]
ROUND = {**EVENTS, "what": "taken over", "cases": 90, "ends": {"undone": 60, "confirmed": 30}}
CASE = {
    "scenario": "by card", "process": "worker", "failpoint": "intent.called", "action": "do",
    "step": "capture", "outcome": "as without a crash", "faults": [],
    "mode": "choreographed", "time": "wished", "definition": "place_order",
}  # fmt: skip
SOUND: dict[str, Any] = {
    "search": {"searches": SEARCHES},
    "broken rules": {"searches": BROKEN},
    "by hand": {"rounds": [{**ROUND, "problem": ""}]},
    "crash": {
        "cases": 2,
        "of": 7,
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
        "sagas": [
            {
                "process": "place_order",
                **EVENTS,
                "driver": "engine",
                "status": "undone",
                "count": 1801,
            },
        ],
        "taken_over": 2200,
        "wishes": {"taken": 500, "cancelled": 490},
        "returns": {"announced": 30, "completed": 20},
        "faults": {"kill": 1234},
        "violations": [{"seed": 17, "violation": "I3"}],
    },
}


def written(**changes: dict[str, Any]) -> str:
    return page({name: written_part(name, **changes.get(name, {})) for name in SOUND})


def written_part(name: str, commit: str = "abc1234", **changes: Any) -> str:
    result = {"status": 0, "seconds": 6000, "figures": SOUND[name]} | changes
    return part(name, result, commit, "2026-11-26")


def test_the_totals_are_told() -> None:
    told = written()
    assert told.count("**No violation.** At commit abc1234, 2026-11-26, in 6,000 s.") == 5
    assert "2 configurations: 6,366 states. By events, with taking over, go 1 of them" in told
    assert "(1,000 states); in 1 a customer may wish to cancel." in told
    assert "Orchestrated, 2 of 3 broken rules were noticed." in told
    assert "Choreographed, 2 of 2 broken rules were noticed." in told
    assert "| no tombstone | 4 | 7 | undone \\| done |" in told
    assert "| no lease | NOTHING | cannot | NOTHING |" in told
    assert "| no fence | cannot | 9 | captured |" in told
    assert "| not closed | 8 | not searched | stuck |" in told
    assert "- Orchestrated, nothing is taken over: no fence" in told
    assert "| choreographed | taken over | 90 | 60 undone, 30 confirmed |" in told
    assert "| cancelled under way; by events then taken over | 0 | 2 |" in told
    assert "2 of 7 cases: a process is killed at a failpoint (1 of them)" in told
    assert "| intent.called | 2 | 1 | 1 |" in told
    assert "Seeds 11 to 1,210: 7,000 orders in 31.5 simulated hours" in told
    assert "2,200 sagas were taken over. Of wishes to cancel: 500 taken, 490 cancelled." in told
    assert "Of returns: 30 announced, 20 completed." in told
    assert "| place_order | choreographed | engine | undone | 1,801 |" in told
    assert "| kill | 1,234 |" in told


def test_what_went_wrong_is_told_so_that_it_can_be_run_again() -> None:
    stuck = {"status": 1, "figures": {"rounds": [{**ROUND, "problem": "order 3 hangs"}]}}
    told = written(crash={"status": 1}, simulation={"status": 1}, **{"by hand": stuck})
    assert told.count("**VIOLATIONS**") == 3
    assert "- choreographed, taken over: order 3 hangs" in told
    assert "- by card, worker at intent.called of do capture: wrong charged twice" in told
    assert "- seed 17: I3" in told


def test_a_rule_that_shows_where_it_cannot_is_told() -> None:
    shows = [*BROKEN[:-3], {**BROKEN[-3], "problem": "undone"}, BROKEN[-2]]
    told = written(**{"broken rules": {"status": 1, "figures": {"searches": shows}}})
    assert "| no fence | SHOWS | 9 | undone |" in told


def test_a_campaign_that_died_is_no_success() -> None:
    assert "**It ended without figures**" in written(simulation={"status": 1, "figures": {}})


def test_what_was_not_run_again_stays_as_it_was() -> None:
    before = written()
    parts = parts_of(before)

    assert page(parts) == before
    parts["crash"] = written_part("crash", "def5678")
    told = page(parts)
    assert told.count("At commit abc1234") == 4
    assert told.replace("def5678", "abc1234") == before


def test_the_first_campaign_that_ends_is_told_by_itself() -> None:
    told = page({"by hand": written_part("by hand")})

    assert [each for each in told.splitlines() if each.startswith("## ")] == ["## By hand"]
    assert parts_of(told).keys() == {"by hand"}
