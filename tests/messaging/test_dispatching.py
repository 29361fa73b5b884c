"""Outside calls beside each other: as many as a provider bears, none to one that is silent."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from apps.contracts.payments import PaymentRefunded
from apps.contracts.steps import StepWaits
from apps.messaging.budgets import Bucket, Budget
from apps.messaging.database import Database
from apps.messaging.errors import AskedInVain
from apps.messaging.gauges import OF_PROVIDERS, _read_providers
from apps.messaging.handling import Call, StillWaiting
from apps.messaging.intents import IntentTable
from apps.messaging.providers import Provider
from apps.payments import gateways
from apps.payments.gateways import GatewayAnswer
from tests.messaging.calling import BANK, Exchange, declined, silent, until, well
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def exchange(databases: dict[str, psycopg.Connection], monkeypatch: pytest.MonkeyPatch) -> Exchange:
    monkeypatch.setattr(gateways, "gateway", object)  # cards are taken
    return Exchange(databases["payments"])


# --- how many at a time


def test_as_many_calls_are_made_at_a_time_as_the_provider_bears_and_no_more_are_claimed(
    exchange: Exchange,
) -> None:
    exchange.authorize(8)
    exchange.bank.free.clear()
    with exchange.providing() as dispatcher:
        done = exchange.in_hand(dispatcher)
        until(lambda: exchange.bank.now == BANK.at_once, "calls are not made beside each other")
        assert (exchange.count("claimed"), exchange.count("due")) == (BANK.at_once, 5)
        exchange.bank.free.set()
        assert done.result() == 8
    assert exchange.bank.most == BANK.at_once
    assert exchange.count("settled") == len(set(exchange.bank.calls)) == 8


def test_others_go_on_while_one_provider_has_all_it_bears(exchange: Exchange) -> None:
    exchange.authorize(5)
    exchange.authorize(4, elsewhere=True)
    exchange.bank.free.clear()
    with exchange.providing() as dispatcher:
        done = exchange.in_hand(dispatcher)
        until(lambda: exchange.count("settled") == 4, "the other provider was not called")
        assert (exchange.bank.now, len(exchange.bank.calls)) == (BANK.at_once, BANK.at_once)
        exchange.bank.free.set()
        assert done.result() == 9
    assert exchange.other.most <= 2


def test_a_wake_up_that_comes_meanwhile_is_not_lost(exchange: Exchange) -> None:
    exchange.authorize()
    exchange.bank.free.clear()
    with exchange.providing() as dispatcher:
        done = exchange.in_hand(dispatcher)
        until(lambda: exchange.bank.now == 1, "the first call was not made")
        exchange.authorize()
        assert exchange.in_hand(dispatcher).result() == 0
        until(lambda: exchange.bank.now == 2, "nobody looked again")
        exchange.bank.free.set()
        assert done.result() == 2


def test_of_one_subject_one_call_is_claimed_and_it_is_the_oldest(exchange: Exchange) -> None:
    for till in exchange.authorize(2):
        till.authorize(generation=1)
    exchange.owner.execute("UPDATE payments_intent SET subject = 'the same'")
    oldest = exchange.owner.execute("SELECT min(id::text) FROM payments_intent").fetchone()

    claimed = IntentTable(Database("payments")).claim(57, ["authorize"], 9)

    assert [str(each.id) for each in claimed] == list(oldest or ())


def test_a_thread_whose_connection_broke_takes_a_new_one(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        exchange.authorize(3)
        assert exchange.in_hand(dispatcher).result() == 3
        at_once(cut_all_connections)
        Database("payments").reconnect()  # this thread's
        exchange.authorize(3)
        assert exchange.in_hand(dispatcher).result() == 3
    assert exchange.count("settled") == 6


def cut_all_connections() -> None:
    """A role may end its own connections: those of the threads that call, too."""
    database = Database("payments")
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = current_user AND pid <> pg_backend_pid()"
    )


def test_who_cannot_look_leaves_the_work_to_the_next(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.authorize()
    with exchange.providing() as dispatcher:
        with monkeypatch.context() as patch:
            patch.setattr(IntentTable, "claim", lambda *given: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                exchange.in_hand(dispatcher).result()
        assert exchange.in_hand(dispatcher).result() == 1


# --- how many a second


def test_a_bucket_holds_a_second_s_worth_and_is_refilled_by_time() -> None:
    now = 0.0
    bucket = Bucket(4.0, lambda: now)
    bucket.take(4)
    assert (bucket.tokens(), bucket.wait()) == (0.0, 0.25)
    now = 0.5
    assert (bucket.tokens(), bucket.wait()) == (2.0, 0.0)
    now = 60.0
    assert bucket.tokens() == 4.0


@pytest.mark.parametrize(
    ("provider", "rooms"),
    [
        (Provider("p", at_once=3), [3, 3, 3]),
        (Provider("p", at_once=3, per_second=2), [2, 2, 2]),
        (Provider("p", at_once=1, per_second=2), [1, 1, 1]),
        (Provider("p", at_once=9, per_second=0.5), [1, 0, 1]),  # one in two seconds
    ],
)
def test_the_room_is_the_smaller_of_what_it_bears_at_once_and_in_a_second(
    provider: Provider, rooms: list[int]
) -> None:
    now = 0.0
    budget, found = Budget(provider, lambda: now), []
    for second in range(3):
        now = float(second)
        found.append(budget.room())
        budget.begin(found[-1])
        for _ in range(found[-1]):
            budget.end()
    assert found == rooms


def test_no_more_calls_begin_in_a_second_than_the_provider_bears(exchange: Exchange) -> None:
    exchange.authorize(5)
    with exchange.providing(Provider("bank", at_once=9, per_second=2)) as dispatcher:
        done = exchange.in_hand(dispatcher)
        for begun in (2, 4):
            until(lambda: exchange.count("settled") == begun, "too few calls")  # noqa: B023
            looked = exchange.looks
            until(lambda: exchange.looks > looked + 8, "nobody looked again")  # noqa: B023
            assert (len(exchange.bank.calls), exchange.count("claimed")) == (begun, 0)
            exchange.now += 1
        assert done.result() == 5


# --- a provider that does not answer


# The bank is not to be called for an hour.
OPEN = """
INSERT INTO payments_providerstate (name, failures, opened_at, retry_at, changed_at)
VALUES ('bank', 3, now(), now() + interval '1 hour', now())
"""


def break_down(exchange: Exchange) -> None:
    """Three calls have had no outcome."""
    exchange.bank.answer = silent
    exchange.authorize(3)
    assert exchange.in_hand(exchange.opened[0]).result() == 3
    assert exchange.breaker() == [("bank", 3, True, False)]


def test_after_so_many_failures_it_is_not_called_and_whoever_waits_is_told_once(
    exchange: Exchange,
) -> None:
    with exchange.providing() as dispatcher:
        break_down(exchange)
        exchange.authorize(2)
        for _ in range(3):
            assert exchange.in_hand(dispatcher).result() == 0
        [first, second] = exchange.told()
        waiting = exchange.rows()[3:]
        [(retry_at,)] = exchange.owner.execute(
            "SELECT retry_at FROM payments_providerstate"
        ).fetchall()

    assert isinstance(first, StepWaits)
    assert first == second
    assert first.reason == f"bank does not answer; asked again at {retry_at:%H:%M:%S} UTC"
    assert first.until == retry_at
    assert waiting == [("due", 0, False, first.reason)] * 2  # never called: it can be withdrawn
    assert len(exchange.bank.calls) == 3


def test_what_is_held_back_can_be_undone_without_a_call(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        break_down(exchange)
        [till] = exchange.authorize()
        exchange.in_hand(dispatcher).result()
        till.undo()
    assert till.told()[-1] == ("undo", PaymentRefunded(nothing_to_undo=True))
    assert till.log() == ("tombstone", 1)


def test_calls_of_unknown_outcome_wait_too_and_stay_unknown(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        break_down(exchange)
        exchange.pauses_pass()
        assert exchange.in_hand(dispatcher).result() == 0
        assert [type(each) for each in exchange.told()] == [StepWaits] * 3
        assert [row[:3] for row in exchange.rows()] == [("unknown", 1, False)] * 3


def test_a_call_whose_worker_died_waits_too_and_may_have_been_made(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        break_down(exchange)
        exchange.authorize()
        IntentTable(Database("payments")).claim(-1, ["authorize"], 1)
        assert exchange.in_hand(dispatcher).result() == 0
    assert exchange.rows()[3][:3] == ("unknown", 1, False)


def test_others_are_called_while_one_is_silent(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        break_down(exchange)
        exchange.authorize(2, elsewhere=True)
        assert exchange.in_hand(dispatcher).result() == 2
    assert exchange.count("settled") == 2


def test_one_call_finds_out_and_all_that_waited_go_at_once(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        break_down(exchange)
        exchange.authorize(4)
        exchange.in_hand(dispatcher).result()
        exchange.pauses_pass()
        exchange.in_hand(dispatcher).result()
        exchange.bank.answer = well
        exchange.bank.free.clear()
        exchange.rest_passes()
        others = [exchange.in_hand(each) for each in (dispatcher, exchange.dispatcher())]
        until(lambda: exchange.bank.now == 1, "nobody found out")
        late = exchange.authorize()
        assert exchange.in_hand(exchange.dispatcher()).result() == 0  # another worker looks
        assert exchange.breaker() == [("bank", 3, True, True)]
        assert (len(exchange.bank.calls), exchange.count("claimed")) == (4, 1)

        exchange.bank.free.set()
        assert sum(each.result() for each in others) == 8
        assert late[0].log() == ("done", 1)
    assert (exchange.count("settled"), exchange.breaker()) == (8, [])


def test_where_it_is_still_silent_all_wait_again_and_are_told_again(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        break_down(exchange)
        exchange.authorize(2)
        exchange.in_hand(dispatcher).result()
        exchange.rest_passes()
        exchange.owner.execute("UPDATE payments_intent SET due_at = now() WHERE status = 'due'")
        assert exchange.in_hand(dispatcher).result() == 1
        assert exchange.breaker() == [("bank", 4, True, False)]
        assert len(exchange.bank.calls) == 4
        assert len(exchange.told()) == 4
        assert {row[2] for row in exchange.rows()} == {False}


def test_a_worker_that_dies_finding_out_is_followed_by_another(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        break_down(exchange)
        exchange.owner.execute("UPDATE payments_providerstate SET probing = true")
        exchange.bank.answer = well
        exchange.rest_passes()
        exchange.pauses_pass()
        assert exchange.in_hand(dispatcher).result() == 3
    assert exchange.breaker() == []


def asks_its_customer(call: Call) -> GatewayAnswer:
    raise StillWaiting("The bank asks its customer", datetime.now(UTC) + timedelta(hours=1))


def says_nothing_useful(call: Call) -> GatewayAnswer:
    raise AskedInVain


def means_nothing(call: Call) -> GatewayAnswer:
    return "a bug"  # type: ignore[return-value]  # recording it fails


@pytest.mark.parametrize(
    "answer", [declined, asks_its_customer, says_nothing_useful, means_nothing]
)
def test_an_answer_that_is_no_success_is_no_failure_of_the_provider(
    exchange: Exchange, answer: Callable[[Call], GatewayAnswer]
) -> None:
    exchange.bank.answer = answer
    exchange.authorize(5)
    with exchange.providing() as dispatcher:
        assert exchange.in_hand(dispatcher).result() == 5
    assert exchange.breaker() == []


def test_an_answer_between_failures_makes_them_count_anew(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        for answer in (silent, silent, well, silent, silent):
            exchange.bank.answer = answer
            exchange.authorize()
            assert exchange.in_hand(dispatcher).result() == 1
    assert exchange.breaker() == [("bank", 2, False, False)]


def test_a_call_that_began_before_does_not_close_it(exchange: Exchange) -> None:
    with exchange.providing() as dispatcher:
        exchange.bank.free.clear()
        exchange.authorize()
        slow = exchange.in_hand(dispatcher)
        until(lambda: exchange.bank.now == 1, "no call was made")
        exchange.owner.execute(OPEN)
        exchange.in_hand(dispatcher).result()
        exchange.bank.free.set()
        assert slow.result() == 1
    assert exchange.breaker() == [("bank", 3, True, False)]


def test_a_breaker_that_is_done_away_with_while_it_is_open_holds_nothing_back(
    exchange: Exchange,
) -> None:
    exchange.authorize(3)
    exchange.owner.execute(OPEN)
    exchange.owner.execute(
        "UPDATE payments_intent SET due_at = now() + interval '1 hour',"
        " reason = 'bank does not answer; asked again at 12:00:30 UTC'"
        " WHERE id = (SELECT min(id::text)::uuid FROM payments_intent)"
    )
    with exchange.providing(replace(BANK, failures=0)) as dispatcher:
        assert exchange.in_hand(dispatcher).result() == 3
    assert (exchange.count("settled"), exchange.breaker()) == (3, [])


def test_who_does_not_answer_is_measured_with_all_that_waits_for_it(exchange: Exchange) -> None:
    def gauges(provider: str) -> list[float]:
        samples = _read_providers(Database("payments"))
        return [s.value for g in OF_PROVIDERS for s in samples
                if (s.gauge, s.labels) == (g.name, ("payments", provider))]  # fmt: skip

    with exchange.providing() as dispatcher:
        assert gauges("bank") == [0, 0, 0]
        break_down(exchange)
        exchange.authorize(2)
        exchange.in_hand(dispatcher).result()
        state, seconds, held_back = gauges("bank")
        assert (state, seconds > 0, held_back) == (2, True, 2)
        assert gauges("other") == [0, 0, 0]
        exchange.rest_passes()
        assert gauges("bank")[0] == 1
