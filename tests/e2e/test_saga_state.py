"""After a run of orders in which its sender dies, saga-state says what the database says."""

import psycopg
import pytest

from apps.messaging.database import Database
from apps.sagas import state_check
from apps.sagas.snapshots import all_snapshots
from apps.sagas.state_check import differences, republish
from apps.sagas.state_topic import read_states
from tests.e2e.test_crashes import ORDERS, a_hundred_orders
from tests.running import Platform


def test_what_is_read_off_the_topic_is_what_the_database_has(
    platform: Platform,
    databases: dict[str, psycopg.Connection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state_check, "PAUSE_SECONDS", 0.0)
    republish()  # takes away what other tests have told
    assert read_states().known == {}
    platform.start_watchdog()

    def kill_and_restart() -> None:
        platform.wait_until(lambda: read_states().known != {}, "something to be told")
        platform.kill("watchdog")
        platform.start_watchdog()

    a_hundred_orders(kill_and_restart)
    platform.wait_until_ended(ORDERS)
    platform.wait_until(lambda: differences() == {}, "the topic to say it")
    platform.kill("watchdog")
    known = read_states().known
    assert len(known) == ORDERS
    assert sorted(known.values(), key=lambda each: each.saga_id) == list(
        all_snapshots(Database("sagas"))
    )
