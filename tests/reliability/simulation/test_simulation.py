"""Seeds of the simulation: whatever happens in them, every law holds."""

import pytest

from tests.reliability.simulation.harness import Campaign, Owners, campaign, run
from tests.reliability.simulation.simulation import Kind

ORCHESTRATED, BY_EVENTS = ("orchestrated", "engine"), ("choreographed", "events")
TAKEN_OVER = ("choreographed", "engine")
SEEDS = 50
CAMPAIGN_SEEDS = 5000
OFTEN = (
    "loss",
    "duplicate",
    "reorder",
    "delay",
    "bug",
    "clock jumps",
    "kill",
    "outage",
    "move compensate",
)
OFTEN_LOGGED = ("provider_silent", "provider_asked_again", "provider_answers")  # a breaker's life
OFTEN_WISHES = ("taken", "told again", "cancelled", "already_cancelled", "already_shipped")
OFTEN_RETURNS = (
    "announced", "announced again", "more_than_left", "all_returned", "completed", "refused",
)  # fmt: skip
# In both modes and taken over, with both ends; confirmed orders that are taken back, or stay;
# and goods that come back, or do not.
OFTEN_SAGAS = {
    *(
        Kind("place_order", mode, driver, status)
        for mode, driver in (ORCHESTRATED, BY_EVENTS, TAKEN_OVER)
        for status in ("confirmed", "undone")
    ),
    *(Kind("cancel_order", *driven, "confirmed") for driven in (ORCHESTRATED, BY_EVENTS)),
    *(Kind("return_order", *driven, "confirmed") for driven in (ORCHESTRATED, BY_EVENTS)),
    Kind("return_order", *ORCHESTRATED, "undone"),
}


def complaints(result: Campaign) -> list[str]:
    """What breaks a law, with what to type to see it again."""
    command = "python -m tests.reliability.simulation --seed"
    return [f"{command} {each.seed}: {each.violation}" for each in result.violations]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_order_ends_and_everything_adds_up(world: Owners) -> None:
    result = campaign(range(1, SEEDS + 1), world)

    assert complaints(result) == []
    assert result.ended("place_order") == result.orders
    assert {kind.status for kind in result.sagas} == {"confirmed", "undone"}
    assert OFTEN_SAGAS - result.sagas.keys() == set()
    assert [each for each in OFTEN if not result.faults[each]] == []
    assert [each for each in OFTEN_WISHES if not result.wishes[each]] == []
    assert [each for each in OFTEN_RETURNS if not result.returns[each]] == []
    assert [each for each in OFTEN_LOGGED if not result.logged[each]] == []


def test_the_same_seed_is_the_same_run(world: Owners) -> None:
    first, other, again = run(5, world), run(6, world), run(5, world)

    assert first.trace == again.trace
    assert first.trace != other.trace
    assert len(first.trace) > 100


@pytest.mark.campaign
@pytest.mark.timeout(0)
def test_a_campaign_of_seeds_breaks_no_law(world: Owners) -> None:
    result = campaign(range(10_001, 10_001 + CAMPAIGN_SEEDS), world)

    assert complaints(result) == []
    assert result.ended("place_order") == result.orders
