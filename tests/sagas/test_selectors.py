"""What others read of the engine."""

from datetime import UTC, datetime, timedelta

import psycopg
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.sagas import selectors
from tests.sagas.listening import created, hear, news
from tests.sagas.scenarios import PLAIN, REFUSALS, SUCCESSES, UNDONE

SOON = datetime.now(UTC) + timedelta(hours=1)
EARLIER = SOON - timedelta(hours=2)


def test_each_saga_is_counted_and_listed_by_where_it_stands(
    databases: dict[str, psycopg.Connection],
) -> None:
    live, undone, confirmed = (uuid7() for _ in range(3))
    hear(*(created(each) for each in (live, undone, confirmed)))
    hear(news(undone, "reserve_stock", REFUSALS["reserve_stock"]))
    hear(news(undone, "create_order", UNDONE["create_order"], action=Action.UNDO))
    hear(*(news(confirmed, step, SUCCESSES[step]) for step in PLAIN.steps[1:]))

    assert selectors.status_counts() == {"confirmed": 1, "running": 1, "undone": 1}
    assert [each.saga_id for each in selectors.live_sagas()] == [live]
    ended = list(selectors.ended_sagas(since=EARLIER, before=SOON))
    assert [(each.saga_id, each.status) for each in ended] == [
        (undone, "undone"),
        (confirmed, "confirmed"),
    ]
    assert ended[0].plan == PLAIN.to_header()
    assert ended[0].order_id == undone
    assert list(selectors.ended_sagas(since=SOON, before=SOON + timedelta(hours=1))) == []

    told = [(each.step, each.outcome) for each in selectors.history_of([undone])]
    assert told == [
        ("create_order", "done"),
        ("reserve_stock", "refused"),
        ("create_order", "undone"),
    ]
    told = [each.step for each in selectors.history_of([confirmed])]
    assert told == list(PLAIN.steps)


def test_sagas_are_counted_by_how_they_began_and_in_whose_hand_they_are(
    databases: dict[str, psycopg.Connection],
) -> None:
    hear(*(created(uuid7()) for _ in range(3)))
    set_driver = "UPDATE sagas_saga SET mode = %s, driver = %s WHERE saga_id = %s"
    by_events, taken_over, _ = (each.saga_id for each in selectors.live_sagas())
    databases["sagas"].execute(set_driver, ["choreographed", "events", by_events])
    databases["sagas"].execute(set_driver, ["choreographed", "engine", taken_over])

    assert selectors.drivers(since=EARLIER) == {
        ("choreographed", "events"): 1,
        ("choreographed", "engine"): 1,
        ("orchestrated", "engine"): 1,
    }
    assert selectors.drivers(since=SOON) == {}
