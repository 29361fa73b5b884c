"""Which deaths there are: worked out from a definition, and nothing left out of the shipped one."""

from collections import Counter

import pytest

from apps.contracts import inventory, orders, payments
from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.failpoints import FAILPOINTS
from apps.processes import CANCEL_ORDER, RETURN_ORDER, Kind, Process, Step
from apps.processes.place_order_2 import PLACE_ORDER_2
from tests.reliability.crash.points import (
    HEARD,
    PASSED,
    WATCHDOG,
    Case,
    Job,
    Role,
    Scenario,
    Time,
    rounds,
    sample,
    shows,
    thinned,
)
from tests.reliability.crash.scenarios import OUTSIDE, SCENARIOS
from tests.reliability.crash.way import WISH, Asked, Way

SHORT = Process(
    name="short",
    version=1,
    steps=(
        Step("create_order", Kind.COMPENSATABLE, success=orders.OrderCreated,
             compensation=orders.CancelOrder),
        Step("reserve_stock", Kind.COMPENSATABLE, inventory.ReserveStock,
             success=inventory.StockReserved, refusal=inventory.StockReservationFailed,
             compensation=inventory.ReleaseStock),
        Step("capture_payment", Kind.PIVOT, payments.CapturePayment,
             success=payments.PaymentCaptured, refusal=payments.CaptureFailed),
    ),
)  # fmt: skip
CREATE, RESERVE, CAPTURE = (Asked(each.name, Action.DO) for each in SHORT.steps)
UNRESERVE, CANCEL = (Asked(each, Action.UNDO) for each in ("reserve_stock", "create_order"))
FENCE = Asked("capture_payment", Action.FENCE)
INSIDE = frozenset({"capture_payment"})
WORKER = Role(Job.WORKER, "payments")


def cases(
    time: Time = Time.ENOUGH,
    inside: frozenset[str] = INSIDE,
    refused: str = "",
    mode: Mode = Mode.ORCHESTRATED,
) -> list[Case]:
    way = Way(SHORT, inside=inside, refused=refused, mode=mode)
    return Scenario("short", way, begin=lambda: None, time=time).cases()  # type: ignore


def of(found: list[Case], role: Role) -> list[tuple[str, str]]:
    """Failpoint, and what is asked there, of one process."""
    return [(each.failpoint, str(each.asked)) for each in found if each.role == role]


def test_a_way_goes_forward_and_from_a_refusal_on_back() -> None:
    assert Way(SHORT).asked == (CREATE, RESERVE, CAPTURE)
    assert Way(SHORT, refused="reserve_stock").asked == (CREATE, RESERVE, CANCEL)
    assert Way(SHORT, refused="capture_payment").asked == (
        CREATE, RESERVE, CAPTURE, UNRESERVE, CANCEL,
    )  # fmt: skip


def test_what_events_drove_is_fenced_first_and_undone_whole_however_far_it_had_come() -> None:
    by_events = Way(SHORT, mode=Mode.CHOREOGRAPHED)
    back = (FENCE, UNRESERVE, CANCEL)
    assert by_events.asked == Way(SHORT).asked
    assert by_events.turned_back_at(RESERVE) == (CREATE, *back)
    assert by_events.perhaps_at(RESERVE) == {RESERVE}
    assert by_events.turned_back_at(CAPTURE) == (CREATE, RESERVE, CAPTURE, FENCE)
    declined = Way(SHORT, refused="capture_payment", mode=Mode.CHOREOGRAPHED)
    assert declined.turned_back_at(CAPTURE) == (*declined.asked, FENCE)


def test_what_is_late_is_undone_too_but_a_pivot_goes_forward() -> None:
    assert Way(SHORT).turned_back_at(RESERVE) == (CREATE, UNRESERVE, CANCEL)
    assert Way(SHORT).turned_back_at(CAPTURE) == (CREATE, RESERVE, CAPTURE)


def test_every_process_that_a_message_concerns_can_die_of_it() -> None:
    found = cases()
    assert Counter(str(each.role) for each in found) == {
        "orders initiator": 2,
        "sagas consumer": 11,  # hears three, sends two and the news of the end
        "inventory consumer": 4,
        "payments consumer": 4,
        "orders consumer": 6,  # tells its customer of two, and sends nothing
        "notifications consumer": 3,  # keeps in mind whose news these are
    }
    assert of(found, Role(Job.CONSUMER, "inventory")) == [
        ("batch.before_commit", "reserve_stock@do"),
        ("batch.after_commit", "reserve_stock@do"),
        ("relay.produced", "reserve_stock@do"),
        ("consumer.before_offsets", "reserve_stock@do"),
    ]


def test_where_a_handler_may_call_outside_the_worker_calls_and_answers() -> None:
    found = cases(inside=frozenset())
    assert of(found, WORKER) == [
        ("intent.claimed", "capture_payment@do"),
        ("intent.called", "capture_payment@do"),
        ("intent.answered", "capture_payment@do"),
        ("intent.before_commit", "capture_payment@do"),
        ("intent.recorded", "capture_payment@do"),
        ("relay.produced", "capture_payment@do"),
    ]
    assert ("relay.produced", "capture_payment@do") not in of(found, Role(Job.CONSUMER, "payments"))
    assert of(cases(), WORKER) == []


def test_the_watchdog_can_die_of_all_that_is_late() -> None:
    assert of(cases(Time.LATE), WATCHDOG) == [
        ("watchdog.before_commit", "reserve_stock@do"),
        ("watchdog.after_commit", "reserve_stock@do"),
        ("relay.produced", "reserve_stock@do"),
        ("watchdog.before_commit", "capture_payment@do"),
        ("watchdog.after_commit", "capture_payment@do"),
        ("relay.produced", "capture_payment@do"),
    ]
    assert {str(each.asked) for each in cases(Time.LATE, refused="capture_payment")} == {
        "reserve_stock@undo", "create_order@undo",
    }  # fmt: skip


def test_out_of_time_what_can_be_undone_is_turned_back_by_the_watchdog() -> None:
    assert of(cases(Time.OVER), WATCHDOG) == [
        ("watchdog.before_commit", "reserve_stock@do"),
        ("watchdog.after_commit", "reserve_stock@do"),
        ("relay.produced", "reserve_stock@undo"),
    ]
    calling = cases(Time.OVER, inside=frozenset())
    assert of(calling, WORKER) == [
        ("intent.claimed", "capture_payment@do"),
        ("intent.called", "capture_payment@do"),
        ("intent.answered", "capture_payment@do"),
        ("intent.before_commit", "capture_payment@do"),
    ]
    assert {each.late for each in calling if each.role == WORKER} == {CAPTURE}


def test_a_call_that_is_late_is_closed_by_its_own_worker_not_undone_by_another() -> None:
    [cancelled] = (e for e in SCENARIOS if e.time is Time.WISHED and e.settings == OUTSIDE)
    undone = {e.asked.step for e in cancelled.cases() if e.asked.action is Action.UNDO}
    assert undone == {"authorize_payment"}


def test_by_events_a_context_dies_of_what_its_neighbour_tells() -> None:
    found = cases(mode=Mode.CHOREOGRAPHED)
    assert Counter(str(each.role) for each in found) == {
        "orders initiator": 2,
        "sagas consumer": 10,  # hears three, sends nothing but the news of the end
        "inventory consumer": 4,
        "payments consumer": 4,
        "orders consumer": 6,
        "notifications consumer": 3,
    }
    assert of(found, Role(Job.CONSUMER, "inventory")) == [
        ("batch.before_commit", "reserve_stock@do"),
        ("batch.after_commit", "reserve_stock@do"),
        ("relay.produced", "reserve_stock@do"),
        ("consumer.before_offsets", "create_order@do"),
    ]


def test_the_watchdog_takes_over_and_all_die_of_what_the_engine_asks_from_then_on() -> None:
    late = cases(Time.LATE, mode=Mode.CHOREOGRAPHED)
    assert of(late, WATCHDOG) == of(cases(Time.LATE), WATCHDOG)
    over = cases(Time.OVER, mode=Mode.CHOREOGRAPHED)
    assert of(over, WATCHDOG) == [
        ("watchdog.before_commit", "reserve_stock@do"),
        ("watchdog.after_commit", "reserve_stock@do"),
        ("relay.produced", "capture_payment@fence"),
    ]
    assert of(over, Role(Job.CONSUMER, "payments")) == [
        ("batch.before_commit", "capture_payment@fence"),
        ("batch.after_commit", "capture_payment@fence"),
        ("relay.produced", "capture_payment@fence"),
        ("consumer.before_offsets", "capture_payment@fence"),
    ]


@pytest.mark.parametrize("mode", Mode)
def test_a_wish_can_kill_who_takes_it_who_decides_it_and_who_hears_of_that(mode: Mode) -> None:
    found = cases(Time.WISHED, mode=mode)
    asked = UNRESERVE if mode is Mode.ORCHESTRATED else FENCE
    assert of(found, Role(Job.CUSTOMER, "orders")) == [("relay.produced", str(WISH))]
    assert of(found, Role(Job.CONSUMER, "sagas"))[:4] == [
        ("batch.before_commit", str(WISH)),
        ("batch.after_commit", str(WISH)),
        ("relay.produced", str(asked)),
        ("consumer.before_offsets", str(WISH)),
    ]
    assert of(found, Role(Job.CONSUMER, "orders"))[:3] == [
        ("batch.before_commit", str(CREATE)),
        ("batch.after_commit", str(CREATE)),
        ("consumer.before_offsets", str(CREATE)),
    ]


BEGIN, RECEIVE, REFUND = (Asked(each.name, Action.DO) for each in RETURN_ORDER.steps[:3])


@pytest.mark.parametrize("mode", Mode)
def test_before_a_person_answers_nobody_dies_of_what_comes_of_that(mode: Mode) -> None:
    way = Way(RETURN_ORDER, mode=mode)
    found = Scenario("returned", way, begin=lambda: None).cases()
    assert way.awaited == RECEIVE
    assert {each.asked for each in found} == {BEGIN, RECEIVE}
    assert of(found, Role(Job.WORKER, "inventory")) == [
        ("intent.claimed", str(RECEIVE)),
        ("relay.produced", str(RECEIVE)),  # that it waits
    ]
    assert of(found, Role(Job.CONSUMER, "orders")) == [
        ("batch.before_commit", str(RECEIVE)),
        ("batch.after_commit", str(RECEIVE)),
        ("consumer.before_offsets", str(RECEIVE)),
    ]


@pytest.mark.parametrize("mode", Mode)
def test_when_a_person_answers_everybody_dies_of_what_comes_of_that(mode: Mode) -> None:
    way = Way(RETURN_ORDER, mode=mode)
    found = Scenario("returned", way, begin=lambda: None, time=Time.ANSWERED).cases()
    assert {each.asked for each in found} == {*way.asked[1:]}
    assert [at for at, _ in of(found, Role(Job.WORKER, "inventory"))] == [*PASSED[Job.WORKER]]
    assert of(found, Role(Job.CONSUMER, "inventory"))[0] == ("batch.before_commit", "restock@do")
    assert of(found, Role(Job.CONSUMER, "payments")) == [
        ("batch.before_commit", str(REFUND)),
        ("batch.after_commit", str(REFUND)),
        ("consumer.before_offsets", str(REFUND if mode is Mode.ORCHESTRATED else RECEIVE)),
    ]


def test_of_no_process_without_a_person_anybody_waits_for_one() -> None:
    assert Way(SHORT).awaited is None
    assert list(Way(SHORT).unanswered()) == list(Way(SHORT).hops())
    assert list(Way(SHORT).answered()) == []


def test_a_reaction_dies_under_the_name_of_its_own_step() -> None:
    found = SCENARIOS[0].cases()
    shipping, stock = Role(Job.CONSUMER, "shipping"), Role(Job.CONSUMER, "inventory")
    assert ("batch.before_commit", "hand_over@do") in of(found, shipping)
    assert ("relay.produced", "hand_over@do") in of(found, shipping)
    assert ("consumer.before_offsets", "confirm_order@do") in of(found, shipping)
    assert ("batch.before_commit", "ship_stock@do") in of(found, stock)
    assert ("relay.produced", "ship_stock@do") not in of(found, stock)


# --- of the shipped definition nothing is left out


def test_every_failpoint_lies_on_the_way_of_some_process() -> None:
    """People's moves and parking have tests of their own: test_operations.py, test_parking.py."""
    passed = {each for places in PASSED.values() for each in places}
    elsewhere = ("operation.", "letter.", "parking.")
    assert passed == {each for each in FAILPOINTS if not each.startswith(elsewhere)}


def test_the_scenarios_show_every_failpoint_step_and_compensation() -> None:
    found = [each for scenario in SCENARIOS for each in scenario.cases()]
    assert {(each.role.job, each.failpoint) for each in found} == {
        (job, each) for job, places in PASSED.items() for each in places
    }
    assert {each.asked for each in found} == {
        *(Asked(each.name, Action.DO) for each in PLACE_ORDER_2.steps),
        *(Asked(each.name, Action.UNDO) for each in PLACE_ORDER_2.steps if each.compensation),
        Asked("hand_over", Action.DO),
        Asked("ship_stock", Action.DO),
        Asked("capture_payment", Action.FENCE),
        *(Asked(each.name, Action.DO) for each in (*CANCEL_ORDER.steps, *RETURN_ORDER.steps)),
        Asked("begin_return", Action.UNDO),
        WISH,
    }


def test_the_sample_shows_all_that_the_matrix_shows() -> None:
    chosen = sample(SCENARIOS)
    shown = {
        every
        for scenario in SCENARIOS
        for each in chosen[scenario.name]
        for every in shows(scenario, each)
    }
    assert shown == {
        every
        for scenario in SCENARIOS
        for each in scenario.cases()
        for every in shows(scenario, each)
    }


def test_the_sample_kills_each_worker_between_an_answer_from_outside_and_our_commit() -> None:
    found = [
        (case.role.context, case.failpoint)
        for scenario in SCENARIOS
        if scenario.settings == OUTSIDE
        for case in sample(SCENARIOS)[scenario.name]
    ]
    assert {*found} >= {(each, at) for each in ("payments", "shipping") for at in HEARD}


def test_in_one_go_each_process_dies_once() -> None:
    for scenario in SCENARIOS:
        groups = rounds(scenario.cases())
        assert [each for group in groups for each in group if each.late and len(group) > 1] == []
        assert all(len({each.role for each in group}) == len(group) for group in groups)
        assert sorted(map(str, scenario.cases())) == sorted(str(e) for g in groups for e in g)


@pytest.mark.parametrize("every", [1, 7])
def test_a_thinned_matrix_has_the_sample_and_each_so_manieth_case(every: int) -> None:
    kept, covering = thinned(SCENARIOS, every), sample(SCENARIOS)
    wanted = [(each.name, case) for each in SCENARIOS for case in each.cases()]
    assert {*kept} == {each.name for each in SCENARIOS}

    found = [(name, case) for name, cases in kept.items() for case in cases]
    assert set(found) >= {(name, case) for name, cases in covering.items() for case in cases}
    assert set(wanted[::every]) <= set(found) <= set(wanted)
    assert len(found) == len(set(found))
    assert len(found) < len(wanted) / every + sum(map(len, covering.values())) + 1
