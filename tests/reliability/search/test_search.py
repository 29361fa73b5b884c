"""Every reachable state of one saga, by the shipped code: no law is broken, and every broken rule
is noticed."""

import pytest

from tests.reliability.search.configurations import FULL, QUICK
from tests.reliability.search.exploring import Found, search
from tests.reliability.search.mutations import MUTATIONS, Mutation, Seen
from tests.reliability.search.states import Configuration

LONG = (pytest.mark.campaign, pytest.mark.timeout(3600))
BROKEN = [
    pytest.param(mutation, seen, id=f"{name}, {seen.mode}", marks=LONG if seen.long else ())
    for name, mutation in MUTATIONS.items()
    for seen in mutation.seen
    if not seen.cannot
]
CANNOT = {name: each for name, each in MUTATIONS.items() if each.cannot}
NOTICED_IN = [
    pytest.param(each, marks=LONG if each.by_events else ())  # one of the quick ones is like them
    for each in {it.noticed_in for it in MUTATIONS.values()} - set(QUICK.values())
]


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


@pytest.mark.parametrize(("mutation", "seen"), BROKEN)
def test_a_broken_rule_is_noticed_in_both_modes(mutation: Mutation, seen: Seen) -> None:
    with mutation.broken():
        assert search(seen.configuration).problem.startswith(seen.law)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CANNOT)
def test_a_broken_rule_that_cannot_show_in_a_mode_does_not(name: str) -> None:
    _, seen = CANNOT[name].seen
    with CANNOT[name].broken():
        found = search(seen.configuration)
    assert found.problem == "", f"not so: {seen.cannot}\n{shown(found)}"


@pytest.mark.parametrize("configuration", NOTICED_IN)
def test_where_a_broken_rule_is_noticed_the_sound_one_is_clean(
    configuration: Configuration,
) -> None:
    found = search(configuration)
    assert found.problem == "", shown(found)
