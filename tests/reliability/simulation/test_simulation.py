"""Seeds of the simulation: whatever happens in them, every law holds."""

import pytest

from tests.reliability.simulation.harness import Campaign, Owners, campaign, run

SEEDS, CHUNK = 150, 50
CAMPAIGN_SEEDS = 5000
OFTEN = ("loss", "duplicate", "reorder", "delay", "bug", "clock jumps", "kill", "move compensate")


def complaints(result: Campaign) -> list[str]:
    """What breaks a law, with what to type to see it again."""
    command = "python -m tests.reliability.simulation --seed"
    return [f"{command} {each.seed}: {each.violation}" for each in result.violations]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(1, SEEDS + 1, CHUNK))
def test_every_order_ends_and_everything_adds_up(world: Owners, first: int) -> None:
    result = campaign(range(first, first + CHUNK), world)

    assert complaints(result) == []
    assert set(result.ends) == {"confirmed", "undone"}
    assert result.ends.total() == result.orders
    assert set(result.returns) <= {"confirmed", "undone"}
    assert [each for each in OFTEN if not result.faults[each]] == []


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
    assert result.ends.total() == result.orders
