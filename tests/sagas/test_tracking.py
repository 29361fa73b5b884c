"""Sagas that events drive, on the engine's real database: what overtakes the start waits for it."""

from itertools import permutations
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.sagas import CancelAccepted, SagaEnded
from apps.contracts.sagas import Outcome as Ending
from apps.messaging.audit import Actor
from apps.messaging.handling import Heard, Outgoing
from apps.sagas.errors import MoveNotAllowed, UnexpectedAnswer
from apps.sagas.operations import compensate_saga, pause_saga, retry_step
from apps.sagas.watchdog import Watchdog
from tests.sagas.listening import created, hear, news, wish
from tests.sagas.scenarios import BY_EVENTS, PLAIN, REFUSALS, SUCCESSES, UNDONE
from tests.sagas.test_watchdog import Ears
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
EVENTS = BY_EVENTS.to_header()
ANN = Actor(id=1, name="ann")


@pytest.fixture
def owner(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["sagas"]


@pytest.fixture
def saga_id() -> UUID:
    return uuid7()


def done(saga_id: UUID, step: str) -> Heard:
    if step == "create_order":
        return created(saga_id, plan=EVENTS)
    return news(saga_id, step, SUCCESSES[step], plan=EVENTS, inputs='{"from": "' + step + '"}')


def refused(saga_id: UUID, step: str) -> Heard:
    return news(saga_id, step, REFUSALS[step], plan=EVENTS)


def undone(saga_id: UUID, step: str) -> Heard:
    return news(saga_id, step, UNDONE[step], action=Action.UNDO, plan=EVENTS)


def known(owner: psycopg.Connection, saga_id: UUID) -> tuple[Any, ...]:
    """Status, driver, pending step and action, step of the cause, inputs."""
    rows = owner.execute(
        "SELECT status, driver, pending_step, pending_action, cause_step, inputs"
        " FROM sagas_saga WHERE saga_id = %s",
        [saga_id],
    ).fetchall()
    return tuple(rows[0]) if rows else ()


def history(owner: psycopg.Connection, saga_id: UUID) -> set[tuple[str, str, str]]:
    found = owner.execute(
        "SELECT step, action, outcome FROM sagas_sagastep WHERE saga_id = %s", [saga_id]
    )
    return set(found.fetchall())


def early(owner: psycopg.Connection) -> int:
    row = owner.execute("SELECT count(*) FROM sagas_earlyfact").fetchone()
    assert row
    return int(row[0])


def keep_early(owner: psycopg.Connection, message_id: UUID, saga_id: UUID, heard: str) -> None:
    owner.execute(
        "INSERT INTO sagas_earlyfact (message_id, saga_id, heard, at) VALUES (%s, %s, %s, now())",
        [message_id, saga_id, heard],
    )


def messages(sent: list[Outgoing]) -> list[Any]:
    return [each.message for each in sent]


def test_the_start_is_followed_and_nothing_is_asked(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    assert hear(created(saga_id, plan=EVENTS)) == []

    status, driver, *pending, cause, inputs = known(owner, saga_id)
    assert (status, driver, pending, cause) == ("running", "events", ["reserve_stock", "do"], "")
    assert set(inputs) == {
        "order_id", "customer_id", "currency", "lines", "total_cents", "payment_method", "address",
        "card",
    }  # fmt: skip


def test_a_whole_order_one_event_at_a_time(owner: psycopg.Connection, saga_id: UUID) -> None:
    sent = [hear(done(saga_id, step)) for step in BY_EVENTS.steps]

    assert sent[:-1] == [[]] * 7
    assert messages(sent[-1]) == [SagaEnded(process="place_order", outcome=Ending.CONFIRMED)]
    assert known(owner, saga_id) == ("confirmed", "events", None, None, "", {})
    assert history(owner, saga_id) == {(step, "do", "done") for step in BY_EVENTS.steps}


def test_what_is_told_before_the_start_waits_for_it_and_is_heard_with_it(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    assert hear(done(saga_id, "reserve_stock"), done(saga_id, "freeze_price")) == []
    assert (known(owner, saga_id), early(owner)) == ((), 2)

    assert hear(created(saga_id, plan=EVENTS)) == []

    assert known(owner, saga_id)[:3] == ("running", "events", "authorize_payment")
    assert known(owner, saga_id)[5] == {"from": "freeze_price"}
    assert history(owner, saga_id) == {
        (step, "do", "done") for step in ("create_order", "reserve_stock", "freeze_price")
    }
    assert early(owner) == 0


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
def test_a_refused_order_comes_out_the_same_in_every_order_of_arrival(
    owner: psycopg.Connection, together: bool
) -> None:
    for order in permutations(range(5)):
        saga_id = uuid7()
        facts = [
            created(saga_id, plan=EVENTS),
            done(saga_id, "reserve_stock"),
            refused(saga_id, "freeze_price"),
            undone(saga_id, "reserve_stock"),
            undone(saga_id, "create_order"),
        ]
        told = [facts[number] for number in order]
        sent = hear(*told) if together else [out for each in told for out in hear(each)]

        ended = SagaEnded(process="place_order", outcome=Ending.UNDONE, refused_step="freeze_price")
        assert messages(sent) == [ended]
        assert known(owner, saga_id) == ("undone", "events", None, None, "freeze_price", {})
        assert history(owner, saga_id) == {
            ("create_order", "do", "done"),
            ("reserve_stock", "do", "done"),
            ("freeze_price", "do", "refused"),
            ("reserve_stock", "undo", "undone"),
            ("create_order", "undo", "undone"),
        }
    assert early(owner) == 0


def test_an_event_that_is_heard_again_changes_nothing(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    hear(created(saga_id, plan=EVENTS))
    told = done(saga_id, "reserve_stock")
    hear(told)
    before = known(owner, saga_id)

    assert hear(told) == []

    assert known(owner, saga_id) == before
    assert len(history(owner, saga_id)) == 2


def test_what_is_told_after_the_end_is_history_and_changes_no_end(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    """The last success is heard before one of those that led to it."""
    steps = [step for step in BY_EVENTS.steps if step != "freeze_price"]
    hear(*(done(saga_id, step) for step in steps))
    [ended] = owner.execute("SELECT ended_at FROM sagas_saga").fetchall()

    assert hear(done(saga_id, "freeze_price")) == []

    assert owner.execute("SELECT ended_at FROM sagas_saga").fetchall() == [ended]
    assert history(owner, saga_id) == {(step, "do", "done") for step in BY_EVENTS.steps}


def test_an_event_that_no_definition_knows_is_refused_alone(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    """Before the start as well, so that the start is not held up by it."""
    with pytest.raises(UnexpectedAnswer, match="StockReserved"):
        hear(news(saga_id, "freeze_price", SUCCESSES["reserve_stock"], plan=EVENTS))

    assert early(owner) == 0


def test_the_start_and_what_overtook_it_may_be_heard_at_the_same_moment(
    owner: psycopg.Connection,
) -> None:
    """Two consumers, neither of which sees what the other writes: the watchdog sees both."""
    sagas = [uuid7() for _ in range(20)]
    for saga_id in sagas:
        outcomes = at_once(
            lambda saga_id=saga_id: hear(created(saga_id, plan=EVENTS)),  # type: ignore[misc]
            lambda saga_id=saga_id: hear(done(saga_id, "reserve_stock")),  # type: ignore[misc]
        )
        assert outcomes == [[], []]

    Watchdog(Ears()).turn()

    assert {known(owner, saga_id)[2] for saga_id in sagas} == {"freeze_price"}
    assert early(owner) == 0


def test_what_was_kept_while_the_start_was_written_is_heard_by_the_watchdog(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    hear(done(saga_id, "reserve_stock"))
    kept = owner.execute("DELETE FROM sagas_earlyfact RETURNING message_id, heard").fetchone()
    assert kept
    hear(created(saga_id, plan=EVENTS))
    assert msgspec.json.decode(kept[1])["type"] == "StockReserved"
    keep_early(owner, kept[0], saga_id, kept[1])

    Watchdog(Ears()).turn()

    assert known(owner, saga_id)[2] == "freeze_price"
    assert early(owner) == 0


# --- taking over


def test_what_was_kept_and_cannot_be_taken_holds_up_nobody(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    hear(done(saga_id, "reserve_stock"))
    [kept] = owner.execute("DELETE FROM sagas_earlyfact RETURNING message_id, heard").fetchall()
    unknown, late, behind = saga_id, uuid7(), uuid7()
    for each in (unknown, late, behind):
        hear(created(each, plan=EVENTS))
    hear(done(behind, "freeze_price"))
    overdue(owner, late)
    for message_id, of in ((kept[0], unknown), (uuid7(), behind)):
        heard = kept[1].replace(str(saga_id), str(of))
        keep_early(owner, message_id, of, heard)
    owner.execute(
        "UPDATE sagas_saga SET plan = replace(plan, 'place_order/1/', 'place_order/99/')"
        " WHERE saga_id = %s", [unknown],
    )  # fmt: skip

    Watchdog(Ears()).turn()

    assert known(owner, behind)[2] == "authorize_payment"
    assert known(owner, late)[1] == "engine"
    assert early(owner) == 1


def overdue(owner: psycopg.Connection, saga_id: UUID | None = None) -> None:
    owner.execute(
        "UPDATE sagas_saga SET due_at = now() - interval '1 second'"
        " WHERE coalesce(saga_id = %s, true)", [saga_id],
    )  # fmt: skip


def sent(owner: psycopg.Connection) -> list[tuple[str, str, str]]:
    """Type, step and mode of what lies in the outbox; it is emptied."""
    rows = owner.execute(
        "WITH gone AS (DELETE FROM sagas_outboxmessage RETURNING *)"
        " SELECT headers FROM gone ORDER BY created_at, id"
    ).fetchall()
    told = [msgspec.json.decode(headers) for (headers,) in rows]
    return [(each["type"], each["step_id"], each["mode"]) for each in told]


def test_the_watchdog_takes_over_what_waits_for_too_long(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    hear(created(saga_id, plan=EVENTS))
    overdue(owner)

    assert Watchdog(Ears()).turn() == 1

    assert known(owner, saga_id)[:4] == ("running", "engine", "reserve_stock", "do")
    assert sent(owner) == [("ReserveStock", "reserve_stock", "orchestrated")]
    [note] = owner.execute("SELECT kind, step, text FROM sagas_sagaevent").fetchall()
    assert note == ("taken_over", "reserve_stock", "No event came in time")


def test_a_saga_whose_event_waits_in_kafka_is_not_taken_over(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    hear(created(saga_id, plan=EVENTS))
    overdue(owner)

    Watchdog(Ears(passed=False)).turn()

    assert known(owner, saga_id)[1] == "events"
    assert sent(owner) == []


def test_people_take_over_with_what_they_do(owner: psycopg.Connection) -> None:
    retried, turned = uuid7(), uuid7()
    for saga_id in (retried, turned):
        hear(created(saga_id, plan=EVENTS))
    retry_step(saga_id=retried, step="reserve_stock", version=1, actor=ANN, reason="slow")
    compensate_saga(saga_id=turned, version=1, actor=ANN, reason="a mess")

    assert known(owner, retried)[:4] == ("running", "engine", "reserve_stock", "do")
    assert known(owner, turned)[:4] == ("fencing", "engine", "capture_payment", "fence")
    assert sent(owner) == [
        ("ReserveStock", "reserve_stock", "orchestrated"),
        ("Fence", "capture_payment", "orchestrated"),
    ]


def test_what_events_drive_is_not_paused(owner: psycopg.Connection, saga_id: UUID) -> None:
    hear(created(saga_id, plan=EVENTS))
    [(until,)] = owner.execute("SELECT now() + interval '1 hour'").fetchall()

    with pytest.raises(MoveNotAllowed, match="Events drive this saga"):
        pause_saga(saga_id=saga_id, until=until, version=1, actor=ANN, reason="hold on")

    assert known(owner, saga_id)[1] == "events"


def test_nothing_gives_a_saga_back_to_the_events(owner: psycopg.Connection, saga_id: UUID) -> None:
    hear(created(saga_id, plan=EVENTS))
    overdue(owner)
    Watchdog(Ears()).turn()

    hear(done(saga_id, "reserve_stock"), done(saga_id, "freeze_price"))

    assert known(owner, saga_id)[:3] == ("running", "engine", "authorize_payment")
    assert history(owner, saga_id) == {
        (step, "do", "done") for step in ("create_order", "reserve_stock", "freeze_price")
    }


def test_an_orchestrated_saga_is_the_engines_from_the_start(owner: psycopg.Connection) -> None:
    hear(created(saga_id := uuid7()))
    with pytest.raises(psycopg.errors.CheckViolation, match="saga_driven_as_it_began"):
        owner.execute("UPDATE sagas_saga SET driver = 'events' WHERE saga_id = %s", [saga_id])


# --- a wish to cancel


@pytest.mark.parametrize("plan", [PLAIN.to_header(), EVENTS], ids=["orchestrated", "events"])
def test_a_wish_that_overtakes_the_start_is_granted_with_it(
    owner: psycopg.Connection, saga_id: UUID, plan: str
) -> None:
    assert hear(wish(saga_id, plan=plan)) == []
    assert early(owner) == 1

    told = messages(hear(created(saga_id, plan=plan)))

    status, driver, step, action, *_ = known(owner, saga_id)
    if plan == EVENTS:  # granted once the pivot is fenced
        assert (status, driver, step, action) == ("fencing", "engine", "capture_payment", "fence")
        assert CancelAccepted() not in told
    else:
        assert (status, driver, step, action) == (
            "compensating", "engine", "reserve_stock", "undo",
        )  # fmt: skip
        assert told[-1] == CancelAccepted()
    assert early(owner) == 0


def test_a_wish_is_written_down_and_answered_once(owner: psycopg.Connection, saga_id: UUID) -> None:
    hear(created(saga_id))
    assert messages(hear(wish(saga_id)))[-1] == CancelAccepted()
    before = known(owner, saga_id)

    assert messages(hear(wish(saga_id))) == [
        CancelAccepted()
    ]  # it is told again, and told the same

    assert known(owner, saga_id) == before
    [note] = owner.execute("SELECT kind, text FROM sagas_sagaevent").fetchall()
    assert note == ("turned_back", "A mistake")
