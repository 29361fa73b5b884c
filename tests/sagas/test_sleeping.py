"""Sagas that wait for a later day: nobody is called for them, and nobody hides behind them."""

from typing import Any

import psycopg
import pytest

from apps.messaging.database import Database
from apps.sagas import figures, selectors
from tests.sagas.test_watchdog import Desk, Ears, Watchdog
from tests.scraping import scraped

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection]) -> Desk:
    return Desk(databases["sagas"])


def sleep(desk: Desk, saga_id: object) -> None:
    """What it waits for has named a later day, and that ten days ago. In half an hour it is due."""
    desk.owner.execute(
        "UPDATE sagas_saga SET due_at = now() + interval '30 minutes',"
        " started_at = now() - interval '10 days', changed_at = now() - interval '10 days'"
        " WHERE saga_id = %s",
        [saga_id],
    )


def test_it_is_not_the_oldest_in_flight_and_keeps_no_shop_from_its_rest(desk: Desk) -> None:
    asleep, awake = desk.saga_at("freeze_price"), desk.saga_at("freeze_price")
    sleep(desk, asleep)
    found = figures.oldest(Database("sagas"))
    assert found is not None
    assert found.saga_id == awake
    assert selectors.awake_sagas() == 1
    oldest = scraped("saga_oldest_seconds")
    assert oldest is not None
    assert oldest < 3600
    assert scraped("sagas_in_flight", status="running") == 2

    desk.owner.execute("UPDATE sagas_saga SET due_at = now() WHERE saga_id = %s", [asleep])

    found = figures.oldest(Database("sagas"))
    assert found is not None
    assert found.saga_id == asleep
    assert selectors.awake_sagas() == 2
    assert (scraped("saga_oldest_seconds") or 0) > 9 * 24 * 3600


def test_many_that_sleep_do_not_hide_that_all_others_are_late(desk: Desk, settings: Any) -> None:
    settings.WATCHDOG_FEWEST_LATE = 3
    late = [desk.saga_at("freeze_price") for _ in range(3)]
    asleep = [desk.saga_at("freeze_price") for _ in range(12)]
    desk.time_passes()
    for each in asleep:
        sleep(desk, each)
    watchdog = Watchdog(Ears())
    watchdog.turn()
    assert watchdog.holding_back
    assert [desk.saga(each)[0] for each in late] == ["running"] * 3


def test_many_that_sleep_are_not_late_themselves(desk: Desk, settings: Any) -> None:
    settings.WATCHDOG_FEWEST_LATE = 3
    for _ in range(5):
        sleep(desk, desk.saga_at("freeze_price"))
    watchdog = Watchdog(Ears())
    assert watchdog.turn() == 0
    assert not watchdog.holding_back
