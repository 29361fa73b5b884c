"""Every reachable state of one saga, by the shipped code: no law is broken, and every broken rule
is noticed."""

import pytest

from tests.reliability.search.configurations import FULL, QUICK
from tests.reliability.search.exploring import Found, search
from tests.reliability.search.mutations import MUTATIONS
from tests.reliability.search.states import Configuration

NOTICED_IN = {each.noticed_in for each in MUTATIONS.values()}


def shown(found: Found) -> str:
    return "\n".join((found.result, *found.trace))


@pytest.mark.parametrize("name", QUICK)
def test_every_reachable_state_obeys_the_laws(name: str) -> None:
    found = search(QUICK[name])
    assert found.problem == "", shown(found)
    assert found.states > 1000


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FULL)
def test_every_reachable_state_obeys_the_laws_in_full(name: str) -> None:
    found = search(FULL[name])
    assert found.problem == "", shown(found)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_noticed(name: str) -> None:
    mutation = MUTATIONS[name]
    with mutation.broken():
        assert search(mutation.noticed_in).problem.startswith(mutation.law)


@pytest.mark.parametrize("configuration", NOTICED_IN - set(QUICK.values()))
def test_where_a_broken_rule_is_noticed_the_sound_one_is_clean(
    configuration: Configuration,
) -> None:
    found = search(configuration)
    assert found.problem == "", shown(found)
