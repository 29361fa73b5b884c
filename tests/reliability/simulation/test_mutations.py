"""Each planted mistake is noticed; the same seed without it breaks no law.

Its own seed is tried first. A change of the code can change what a seed meets: then others are.
"""

import pytest

from tests.reliability.simulation import simulation
from tests.reliability.simulation.harness import Owners, run
from tests.reliability.simulation.mutations import MUTATIONS, planted
from tests.reliability.simulation.patches import attribute

OTHERS = range(1, 61)
FEWER_ROUNDS = 12  # after which what a mistake has stopped is not waited for; enough without one
SEARCH_FROM = 20_001  # where the campaign begins: seeds that nothing was chosen by


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_is_noticed(world: Owners, name: str) -> None:
    seeds = (MUTATIONS[name].seed, *OTHERS)
    with attribute(simulation, "ROUNDS", FEWER_ROUNDS):
        with planted(name):
            seed = next((each for each in seeds if run(each, world).violation), None)

        assert seed is not None
        assert run(seed, world).violation is None


@pytest.mark.campaign
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_is_found_by_search(world: Owners, name: str) -> None:
    seeds = range(SEARCH_FROM, SEARCH_FROM + MUTATIONS[name].within)
    with planted(name):
        assert any(run(seed, world).violation for seed in seeds)
