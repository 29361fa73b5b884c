"""The watchdog on the engine's real database: what is due, and the two brakes."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.steps import PersonNeeded
from apps.sagas.watchdog import Watchdog
from tests.sagas.listening import created, hear, news
from tests.sagas.scenarios import PLAIN, REFUSALS, SUCCESSES, UNDONE
from tests.scraping import scraped
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")


class Ears:
    """An engine that has heard everything, unless a test says otherwise."""

    def __init__(self, passed: bool = True) -> None:
        self.passed = passed
        self.asked: list[str] = []

    def look(self) -> None:
        pass

    def has_passed(self, topic: str, moment: datetime) -> bool:
        self.asked.append(topic)
        return self.passed


class Desk:
    """The engine's database, as its owner sees it."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.owner = owner

    def saga_at(self, step: str) -> UUID:
        """A new saga that waits for a step."""
        saga_id = uuid7()
        hear(created(saga_id))
        for each in PLAIN.steps[1 : PLAIN.steps.index(step)]:
            hear(news(saga_id, each, SUCCESSES[each]))
        return saga_id

    def time_passes(self, *names: str) -> None:
        """What is waited for is due now; `deadline` and `pause` too, where named."""
        columns = {"deadline": "deadline_at", "pause": "paused_until"}
        moved = ["due_at", "desk_due_at", *(columns[each] for each in names)]
        sets = ", ".join(f"{each} = {each} - interval '1 day'" for each in moved)
        self.owner.execute(f"UPDATE sagas_saga SET {sets} WHERE ended_at IS NULL")

    def saga(self, saga_id: UUID) -> tuple[Any, ...]:
        """Status, pending step, action and generation, attempt."""
        row = self.owner.execute(
            "SELECT status, pending_step, pending_action, pending_generation, attempt"
            " FROM sagas_saga WHERE saga_id = %s",
            [saga_id],
        ).fetchone()
        assert row
        return tuple(row)

    def sent(self) -> list[tuple[str, str]]:
        """Type and step of what lies in the outbox; it is emptied."""
        rows = self.owner.execute(
            "WITH gone AS (DELETE FROM sagas_outboxmessage RETURNING *)"
            " SELECT headers FROM gone ORDER BY created_at, id"
        ).fetchall()
        told = [msgspec.json.decode(headers) for (headers,) in rows]
        return [(each["type"], each["step_id"]) for each in told]

    def cases(self) -> list[tuple[Any, ...]]:
        return self.owner.execute(
            "SELECT kind, step, action, reason, closed_by FROM sagas_case ORDER BY id"
        ).fetchall()

    def events(self, saga_id: UUID) -> list[str]:
        rows = self.owner.execute(
            "SELECT kind FROM sagas_sagaevent WHERE saga_id = %s ORDER BY id", [saga_id]
        )
        return [kind for (kind,) in rows.fetchall()]


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection]) -> Desk:
    return Desk(databases["sagas"])


@pytest.fixture
def dog() -> Watchdog:
    return Watchdog(Ears())


def test_what_is_not_due_is_left_alone(desk: Desk, dog: Watchdog) -> None:
    desk.saga_at("freeze_price")

    assert dog.turn() == 0
    assert desk.sent() == []


def test_what_is_due_is_sent_again_with_the_same_generation(desk: Desk, dog: Watchdog) -> None:
    saga_id = desk.saga_at("freeze_price")
    desk.time_passes()

    assert dog.turn() == 1

    assert desk.sent() == [("FreezePrice", "freeze_price")]
    assert desk.saga(saga_id) == ("running", "freeze_price", "do", 1, 2)
    assert desk.events(saga_id) == ["sent_again"]
    assert dog.turn() == 0  # its next wait has begun


def test_after_its_last_attempt_a_step_is_undone_with_all_before_it(
    desk: Desk, dog: Watchdog
) -> None:
    saga_id = desk.saga_at("freeze_price")
    for _ in range(4):
        desk.time_passes()
        dog.turn()

    assert desk.sent()[-1] == ("UnfreezePrice", "freeze_price")
    assert desk.saga(saga_id) == ("compensating", "freeze_price", "undo", 1, 1)
    assert desk.cases() == []


def test_the_pivot_is_never_turned_back_by_time(desk: Desk, dog: Watchdog) -> None:
    saga_id = desk.saga_at("capture_payment")
    for _ in range(5):
        desk.time_passes("deadline")
        dog.turn()

    assert set(desk.sent()) == {("CapturePayment", "capture_payment")} | {
        ("CaseOpened", "capture_payment")
    }
    assert desk.saga(saga_id) == ("stuck", "capture_payment", "do", 1, 6)
    assert desk.cases() == [("stuck", "capture_payment", "do", "No answer after 5 sendings", "")]

    hear(news(saga_id, "capture_payment", SUCCESSES["capture_payment"]))
    assert desk.saga(saga_id)[0] == "running"
    assert desk.cases()[0][-1] == "done"


def test_past_its_deadline_a_saga_turns_back(desk: Desk, dog: Watchdog) -> None:
    saga_id = desk.saga_at("create_shipment")
    desk.time_passes("deadline")
    dog.turn()

    assert desk.sent() == [("CancelShipment", "create_shipment")]
    assert desk.saga(saga_id)[:3] == ("compensating", "create_shipment", "undo")


def test_a_compensation_that_keeps_failing_is_given_to_the_desk(desk: Desk, dog: Watchdog) -> None:
    saga_id = desk.saga_at("freeze_price")
    hear(news(saga_id, "freeze_price", REFUSALS["freeze_price"]))
    for _ in range(4):
        desk.time_passes()
        dog.turn()

    assert desk.saga(saga_id)[:3] == ("stuck", "create_order", "undo")
    assert desk.cases() == [("stuck", "reserve_stock", "undo", "No answer after 4 sendings", "")]
    assert ("CaseOpened", "reserve_stock") in desk.sent()

    hear(news(saga_id, "create_order", UNDONE["create_order"], action=Action.UNDO))
    assert desk.saga(saga_id)[:2] == ("stuck", None)
    desk.time_passes()
    dog.turn()
    assert desk.sent() == [("ReleaseStock", "reserve_stock")]  # it is still asked

    hear(news(saga_id, "reserve_stock", UNDONE["reserve_stock"], action=Action.UNDO))
    assert desk.saga(saga_id)[0] == "undone"
    assert desk.cases()[0][-1] == "undone"


# --- the first brake: answers that may wait in Kafka


def test_what_may_wait_in_kafka_unheard_is_put_off(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    desk.time_passes("deadline")
    ears = Ears(passed=False)

    assert Watchdog(ears).turn() == 0

    assert ears.asked == ["pricing-events"]
    assert desk.sent() == []
    assert desk.saga(saga_id) == ("running", "freeze_price", "do", 1, 1)


# --- the second brake: too many at once


def test_while_too_many_are_late_none_is_turned_back(
    desk: Desk, dog: Watchdog, settings: Any
) -> None:
    settings.WATCHDOG_FEWEST_LATE = 3
    sagas = [desk.saga_at("freeze_price") for _ in range(3)]
    for _ in range(6):
        desk.time_passes("deadline")
        dog.turn()

    assert {desk.saga(each)[:3] for each in sagas} == {("running", "freeze_price", "do")}
    assert {desk.saga(each)[4] for each in sagas} == {3}  # one more wait is left afterwards
    assert [each for each in desk.sent() if each[1] == "watchdog"] == [
        ("CompensationHeld", "watchdog")
    ]

    hear(*[news(each, "freeze_price", SUCCESSES["freeze_price"]) for each in sagas])
    desk.sent()
    dog.turn()
    assert desk.sent() == [("CompensationFree", "watchdog")]


def test_who_watches_next_tells_that_the_brake_is_off(desk: Desk, settings: Any) -> None:
    settings.WATCHDOG_FEWEST_LATE = 3
    sagas = [desk.saga_at("freeze_price") for _ in range(3)]
    first, second = Watchdog(Ears()), Watchdog(Ears())
    desk.time_passes()
    desk.sent()
    first.turn()
    assert alerts(desk) == ["CompensationHeld"]
    first.close()
    second.turn()
    assert alerts(desk) == []  # that is known already
    hear(*[news(each, "freeze_price", SUCCESSES["freeze_price"]) for each in sagas])

    second.turn()
    first.turn()

    assert alerts(desk) == ["CompensationFree"]
    assert scraped("watchdog_compensation_held") == 0


def alerts(desk: Desk) -> list[str]:
    return [kind for kind, step in desk.sent() if step == "watchdog"]


# --- several watchdogs


def test_of_several_watchdogs_one_works(desk: Desk) -> None:
    desk.saga_at("freeze_price")
    desk.time_passes()

    assert sorted(at_once(*(Watchdog(Ears()).turn for _ in range(4)))) == [0, 0, 0, 1]
    assert desk.sent() == [("FreezePrice", "freeze_price")]


def test_another_watchdog_takes_over_when_the_lease_has_run_out(desk: Desk) -> None:
    first, second = Watchdog(Ears()), Watchdog(Ears())
    first.turn()
    desk.saga_at("freeze_price")
    desk.time_passes()
    assert second.turn() == 0
    desk.owner.execute("UPDATE sagas_lease SET until = now() - interval '1 second'")

    assert second.turn() == 1


def test_a_start_that_is_missed_stands_on_the_desk_until_it_is_heard_of(desk: Desk) -> None:
    saga_id = uuid7()

    hear(news(saga_id, "create_order", MISSED))
    assert desk.cases() == [("start_lost", "create_order", "", "Nobody takes it on", "")]

    hear(created(saga_id))
    assert desk.cases() == [("start_lost", "create_order", "", "Nobody takes it on", "started")]


def test_a_start_that_was_heard_of_meanwhile_is_not_missed(desk: Desk) -> None:
    saga_id = desk.saga_at("reserve_stock")

    hear(news(saga_id, "create_order", MISSED))

    assert desk.cases() == []
    assert desk.sent() == []


MISSED = PersonNeeded(kind="start_lost", context="orders", reason="Nobody takes it on")


@pytest.mark.parametrize("missed_first", [True, False])
def test_a_start_that_was_missed_and_came_in_one_batch_leaves_no_case(
    desk: Desk, missed_first: bool
) -> None:
    saga_id = uuid7()
    batch = [news(saga_id, "create_order", MISSED), created(saga_id)]

    hear(*(batch if missed_first else reversed(batch)))

    assert desk.cases() == []
    assert desk.saga(saga_id)[0] == "running"


# --- a saga that cannot be told


def loses_its_definition(desk: Desk, saga_id: UUID, version: int = 99) -> None:
    """As after a deployment that went back."""
    desk.owner.execute(
        "UPDATE sagas_saga SET plan = regexp_replace(plan, '/[0-9]+/', %s) WHERE saga_id = %s",
        [f"/{version}/", saga_id],
    )


def test_a_saga_without_a_definition_is_set_aside_and_the_others_are_told(desk: Desk) -> None:
    odd, sound = desk.saga_at("freeze_price"), desk.saga_at("freeze_price")
    loses_its_definition(desk, odd)
    desk.time_passes()
    desk.sent()

    dog = Watchdog(Ears())

    assert dog.turn() == 1

    assert sorted(desk.sent()) == [("CaseOpened", "freeze_price"), ("FreezePrice", "freeze_price")]
    assert desk.saga(sound)[-1] == 2
    [(kind, step, _, reason, closed_by)] = desk.cases()
    assert (kind, step, closed_by) == ("watchdog", "freeze_price", "")
    assert "There is no process 'place_order' of version 99" in reason
    assert dog.turn() == 0  # it is not due again for a while


def test_a_saga_whose_definition_is_back_goes_on_and_its_case_is_closed(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    loses_its_definition(desk, saga_id)
    desk.time_passes()
    dog = Watchdog(Ears())
    dog.turn()
    desk.sent()

    loses_its_definition(desk, saga_id, version=1)
    desk.time_passes()
    assert dog.turn() == 1

    assert desk.sent() == [("FreezePrice", "freeze_price")]
    assert [each[-1] for each in desk.cases()] == ["told"]


def test_what_is_paused_or_on_the_desk_is_set_aside_as_well(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    desk.owner.execute("UPDATE sagas_saga SET paused_until = now(), desk_due_at = now()")
    loses_its_definition(desk, saga_id)
    desk.time_passes("pause")

    dog = Watchdog(Ears())
    assert [dog.turn() for _ in range(2)] == [0, 0]
    assert len(desk.cases()) == 1


# --- what stands on the desk does not hold the brake


def test_sagas_that_are_stuck_hold_back_nobody(desk: Desk, settings: Any) -> None:
    settings.WATCHDOG_FEWEST_LATE = 2
    for _ in range(3):
        desk.saga_at("capture_payment")
    desk.owner.execute("UPDATE sagas_saga SET status = 'stuck', attempt = 9")
    silent = desk.saga_at("freeze_price")
    dog = Watchdog(Ears())
    for _ in range(4):
        desk.time_passes()
        dog.turn()

    assert desk.saga(silent)[:3] == ("compensating", "freeze_price", "undo")


def test_the_answer_of_a_request_that_is_not_due_is_not_asked_for(desk: Desk) -> None:
    desk.saga_at("freeze_price")
    desk.owner.execute("UPDATE sagas_saga SET desk_due_at = now() - interval '1 day'")
    ears = Ears(passed=False)

    assert Watchdog(ears).turn() == 1
    assert ears.asked == []
