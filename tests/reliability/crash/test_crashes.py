"""Processes die at named points; every saga ends as if none had."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.reliability.crash.kit import Kit, Result
from tests.reliability.crash.points import Scenario, Time, sample
from tests.reliability.crash.scenarios import SCENARIOS, Shop

# Of the others a case of the sample would show it too.
IN_TIME = [
    each
    for each in SCENARIOS
    if each.time is Time.ENOUGH and not (each.way.by_events or each.before)
]
SAMPLE = sample(SCENARIOS)


@pytest.fixture(scope="module")
def kit(
    owners: dict[str, psycopg.Connection], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kit]:
    """One stage for all of them: a start of every process costs seconds."""
    with Kit(owners, tmp_path_factory.mktemp("crash"), Shop) as kit:
        yield kit


def unlike_without(results: list[Result]) -> list[str]:
    """What did not go as it goes without a crash, or was not reached."""
    return [str(each) for each in results if each.faults or not each.reached]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", IN_TIME, ids=str)
def test_without_a_crash_a_saga_ends_as_its_definition_says(kit: Kit, scenario: Scenario) -> None:
    assert unlike_without([kit.without_a_crash(scenario)]) == []


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [e for e in SCENARIOS if SAMPLE[e.name]], ids=str)
def test_whoever_dies_where_a_saga_ends_as_without_it(kit: Kit, scenario: Scenario) -> None:
    assert unlike_without(kit.run(scenario, SAMPLE[scenario.name])) == []


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_whoever_dies_anywhere_a_saga_ends_as_without_it(kit: Kit, scenario: Scenario) -> None:
    assert unlike_without(kit.run(scenario, scenario.cases())) == []
