"""Every mistake in a definition is refused, with an error that names process and step."""

import msgspec
import pytest

from apps.contracts.base import Command, Compensation, Event, Refusal, Undone
from apps.contracts.plan import Mode, Plan
from apps.processes.definition import Kind, OnRefusal, Patience, Process, Step
from apps.processes.errors import DefinitionError, UnknownStep, UnknownWish

COMPENSATABLE, PIVOT, RETRIABLE = Kind


class Started(Event, frozen=True, kw_only=True):
    order_id: int
    customer_id: int
    seats: tuple[int, ...]
    passport: str


class SeatsReturned(Undone, frozen=True, kw_only=True): ...


class ReturnSeats(Compensation, frozen=True, kw_only=True):
    answer = SeatsReturned


class GiveVoucher(Compensation, frozen=True, kw_only=True):
    answer = SeatsReturned


class PassengerSent(Undone, frozen=True, kw_only=True): ...


class SendByBus(Compensation, frozen=True, kw_only=True):
    answer = PassengerSent


class SendByTaxi(Compensation, frozen=True, kw_only=True):
    answer = SeatsReturned
    taxi: str


class BookSeats(Command, frozen=True, kw_only=True):
    order_id: int
    seats: tuple[int, ...]


class SeatsBooked(Event, frozen=True, kw_only=True):
    price: int


class SeatsTaken(Refusal, frozen=True, kw_only=True): ...


class Pay(Command, frozen=True, kw_only=True):
    price: int


class Paid(Event, frozen=True, kw_only=True): ...


class Refused(Refusal, frozen=True, kw_only=True): ...


class Tell(Command, frozen=True, kw_only=True):
    customer_id: int


class Told(Event, frozen=True, kw_only=True): ...


class AskForMore(Command, frozen=True, kw_only=True):
    colour: str


class AskForText(Command, frozen=True, kw_only=True):
    price: str


class MayKnowMore(Command, frozen=True, kw_only=True):
    colour: str = "any"


class ToldPassport(Event, frozen=True, kw_only=True):
    passport: str


ENTER = Step("enter", COMPENSATABLE, success=Started, compensation=ReturnSeats)
BOOK = Step(
    "book",
    COMPENSATABLE,
    BookSeats,
    success=SeatsBooked,
    refusal=SeatsTaken,
    compensation=ReturnSeats,
    gives=("price",),
)
PAY = Step("pay", PIVOT, Pay, success=Paid, refusal=Refused)
TELL = Step("tell", RETRIABLE, Tell, success=Told)
MEAL = Step("meal", COMPENSATABLE, Tell, success=Told, refusal=Refused, compensation=ReturnSeats)


def changed(step: Step, **changes: object) -> Step:
    given = {name: getattr(step, name) for name in Step.__slots__}
    return Step(**given | changes)


def trip(*steps: Step, **options: object) -> Process:
    return Process("trip", 3, steps, **options)


def test_a_right_definition_is_built() -> None:
    process = trip(ENTER, BOOK, PAY, TELL, personal=("passport",))

    assert process.start is Started
    assert process.step("pay") is PAY


MISTAKES = {
    "no steps": ((), "trip: a process has steps"),
    "a name that no header carries": (
        (ENTER, changed(BOOK, name="book,pay")),
        "trip.book,pay: a name is written in small letters, digits and _",
    ),
    "a name twice": (
        (ENTER, BOOK, changed(BOOK), PAY),
        "trip.book: two steps have this name",
    ),
    "a command for the initiator's step": (
        (changed(ENTER, command=Tell), PAY),
        "trip.enter: the first step has neither command nor refusal: the initiator did it",
    ),
    "a refusal of the initiator's step": (
        (changed(ENTER, refusal=Refused), PAY),
        "trip.enter: the first step has neither command nor refusal: the initiator did it",
    ),
    "an optional first step": (
        (changed(ENTER, wish="trip"), PAY),
        "trip.enter: the first step is always in the plan",
    ),
    "a start by a refusal": (
        (changed(ENTER, success=SeatsTaken), PAY),
        "trip.enter: a saga starts with an event, SeatsTaken is none",
    ),
    "a start that says not whose it is": (
        (changed(ENTER, success=SeatsBooked), BOOK, PAY),
        "trip.enter: the starting event lacks customer_id, order_id",
    ),
    "a step that nobody is asked for": (
        (ENTER, changed(BOOK, command=None), PAY),
        "trip.book: it has no command; only the first step is done by the initiator",
    ),
    "a pivot first": (
        (changed(ENTER, kind=PIVOT, compensation=None), TELL),
        "trip.enter: the first step must be compensatable",
    ),
    "a compensatable step behind the pivot": (
        (ENTER, BOOK, PAY, changed(BOOK, name="book_more")),
        "trip.book_more: a compensatable step cannot follow a pivot one",
    ),
    "a compensatable step behind a retriable one": (
        (ENTER, BOOK, PAY, TELL, changed(BOOK, name="book_more")),
        "trip.book_more: a compensatable step cannot follow a retriable one",
    ),
    "a retriable step before the pivot": (
        (ENTER, BOOK, TELL, PAY),
        "trip.tell: a retriable step cannot follow a compensatable one",
    ),
    "two pivots": (
        (ENTER, BOOK, PAY, changed(PAY, name="pay_more")),
        "trip.pay_more: a pivot step cannot follow a pivot one",
    ),
    "no pivot": ((ENTER, BOOK), "trip.book: the process ends here without a pivot"),
    "no undo": (
        (ENTER, changed(BOOK, compensation=None), PAY),
        "trip.book: a compensatable step needs its compensation",
    ),
    "an undo of the pivot": (
        (ENTER, BOOK, changed(PAY, compensation=ReturnSeats)),
        "trip.pay: a pivot step is never undone, it has no compensation",
    ),
    "an undo of a retriable step": (
        (ENTER, BOOK, PAY, changed(TELL, compensation=ReturnSeats)),
        "trip.tell: a retriable step is never undone, it has no compensation",
    ),
    "a refusal behind the pivot": (
        (ENTER, BOOK, PAY, changed(TELL, refusal=Refused)),
        "trip.tell: nothing is refused behind the pivot",
    ),
    "an optional pivot": (
        (ENTER, BOOK, changed(PAY, wish="pay")),
        "trip.pay: the pivot is always in the plan",
    ),
    "an input that nothing gives": (
        (ENTER, BOOK, PAY, changed(TELL, command=AskForMore)),
        "trip.tell: no earlier step gives colour",
    ),
    "an input that comes later": (
        (ENTER, changed(BOOK, command=Pay), PAY),
        "trip.book: no earlier step gives price",
    ),
    "an input that is told but not given": (
        (ENTER, changed(BOOK, gives=()), PAY),
        "trip.pay: no earlier step gives price",
    ),
    "an input of another type": (
        (ENTER, BOOK, changed(PAY, command=AskForText)),
        "trip.pay: price is given as <class 'int'>, not <class 'str'>",
    ),
    "a gift of what its answer has not": (
        (ENTER, changed(BOOK, gives=("price", "meal")), PAY),
        "trip.book: SeatsBooked has no meal to give",
    ),
    "a gift of an optional step": (
        (ENTER, changed(BOOK, wish="seat"), PAY),
        "trip.book: an optional step gives nothing, and the first one gives everything",
    ),
    "no time to answer": (
        (ENTER, changed(BOOK, patience=Patience(timeout=0)), PAY),
        "trip.book: its timeout must be above 0, and its longest wait not shorter",
    ),
    "a longest wait that is shorter than the first": (
        (ENTER, BOOK, changed(PAY, patience=Patience(timeout=20, longest=19))),
        "trip.pay: its timeout must be above 0, and its longest wait not shorter",
    ),
    "a step that is never sent": (
        (ENTER, changed(BOOK, patience=Patience(attempts=0)), PAY),
        "trip.book: it is sent at least once: attempts must be 1 or more",
    ),
    "waits that shrink": (
        (ENTER, BOOK, PAY, changed(TELL, patience=Patience(backoff=0.5))),
        "trip.tell: waits do not shrink: backoff must be 1 or more",
    ),
    "a decision on a refusal that cannot come": (
        (ENTER, BOOK, PAY, changed(TELL, on_refusal=OnRefusal.WAIT, decide_within=60)),
        "trip.tell: it waits for a decision on its refusal, but has none",
    ),
    "a decision without a time": (
        (ENTER, changed(BOOK, on_refusal=OnRefusal.WAIT), PAY),
        "trip.book: decide_within says how long a refusal waits, there and only there",
    ),
    "a time without a decision": (
        (ENTER, BOOK, changed(PAY, decide_within=60)),
        "trip.pay: decide_within says how long a refusal waits, there and only there",
    ),
    "a decision of less than no time": (
        (ENTER, changed(BOOK, decide_within=-60), PAY),
        "trip.book: decide_within says how long a refusal waits, there and only there",
    ),
    "a first step that can be skipped": (
        (changed(ENTER, skippable=True), BOOK, PAY),
        "trip.enter: only a compensatable step behind the first can be skipped",
    ),
    "a pivot that can be skipped": (
        (ENTER, BOOK, changed(PAY, skippable=True)),
        "trip.pay: only a compensatable step behind the first can be skipped",
    ),
    "a retriable step that can be skipped": (
        (ENTER, BOOK, PAY, changed(TELL, skippable=True)),
        "trip.tell: only a compensatable step behind the first can be skipped",
    ),
    "a gift of a step that can be skipped": (
        (ENTER, changed(BOOK, skippable=True), PAY),
        "trip.book: a step that can be skipped gives nothing to later ones",
    ),
    "a substitute for nothing": (
        (ENTER, BOOK, changed(PAY, substitutes=(GiveVoucher,))),
        "trip.pay: a substitute stands for a compensation, and it has none",
    ),
    "a substitute that is answered in another way": (
        (ENTER, changed(BOOK, substitutes=(GiveVoucher, SendByBus)), PAY),
        "trip.book: SendByBus must be answered like its compensation",
    ),
    "a compensation that wants to be told something": (
        (ENTER, changed(BOOK, compensation=SendByTaxi), PAY),
        "trip.book: SendByTaxi carries no inputs, who will tell it taxi?",
    ),
    "a substitute that wants to be told something": (
        (ENTER, changed(BOOK, substitutes=(GiveVoucher, SendByTaxi)), PAY),
        "trip.book: SendByTaxi carries no inputs, who will tell it taxi?",
    ),
}


@pytest.mark.parametrize(("steps", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused(steps: tuple[Step, ...], message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        trip(*steps)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "waiting",
    [
        changed(BOOK, patience=Patience(timeout=600, longest=600)),
        changed(BOOK, on_refusal=OnRefusal.WAIT, decide_within=600),
    ],
    ids=["for an answer", "for a decision"],
)
def test_no_step_waits_as_long_as_the_whole_process(waiting: Step) -> None:
    message = r"^trip\.book: it may wait longer than the process, whose deadline is 600 s$"
    with pytest.raises(DefinitionError, match=message):
        trip(ENTER, waiting, PAY, deadline=600)

    assert trip(ENTER, waiting, PAY, deadline=601).step("book") is waiting


def test_what_is_not_said_of_a_steps_patience_is_valid() -> None:
    process = trip(ENTER, BOOK, PAY, TELL)

    assert process.deadline == 3600
    assert {each.patience for each in process.steps} == {
        Patience(timeout=10, attempts=4, backoff=2, longest=300)
    }
    assert {each.on_refusal for each in process.steps} == {OnRefusal.TURN_BACK}


def test_a_step_may_wait_for_a_decision_be_skipped_and_have_substitutes() -> None:
    meal = changed(MEAL, on_refusal=OnRefusal.WAIT, decide_within=60, skippable=True)
    book = changed(BOOK, substitutes=(GiveVoucher,))

    assert trip(ENTER, book, meal, PAY).steps == (ENTER, book, meal, PAY)


def test_each_wait_is_longer_than_the_one_before_up_to_the_longest() -> None:
    waits = Patience(timeout=10, backoff=2, longest=90).wait

    assert [waits(attempt) for attempt in (1, 2, 3, 4, 5, 6)] == [10, 20, 40, 80, 90, 90]


def test_waits_without_backoff_are_all_the_same() -> None:
    assert {Patience(timeout=7, backoff=1).wait(attempt) for attempt in range(1, 2000)} == {7}


def test_a_request_that_is_sent_for_ever_still_waits_its_longest() -> None:
    """A pivot that is stuck is sent every five minutes: in four days more often than 2.0 can be
    doubled."""
    assert Patience(timeout=10, backoff=2, longest=300).wait(1100) == 300
    assert Patience(timeout=300, backoff=1e9, longest=300).wait(1) == 300
    assert Patience(timeout=0.5, backoff=1e9, longest=300).wait(40) == 300


def test_a_personal_field_is_one_of_the_starting_event() -> None:
    with pytest.raises(DefinitionError, match=r"^trip\.enter: the starting event has no visa$"):
        trip(ENTER, BOOK, PAY, personal=("visa",))


def test_no_answer_tells_what_is_personal() -> None:
    with pytest.raises(DefinitionError, match=r"^trip\.tell: an answer tells passport"):
        trip(ENTER, BOOK, PAY, changed(TELL, success=ToldPassport), personal=("passport",))


def test_an_input_with_a_default_need_not_be_given() -> None:
    trip(ENTER, BOOK, PAY, changed(TELL, command=MayKnowMore))


def test_a_process_name_travels_in_a_header() -> None:
    with pytest.raises(DefinitionError, match=r"^a/trip: a name is written"):
        Process("a/trip", 1, (ENTER, BOOK, PAY))


def test_a_plan_has_an_optional_step_only_where_it_is_wished() -> None:
    meal = changed(BOOK, name="meal", wish="meal", gives=())
    process = trip(ENTER, BOOK, meal, PAY, TELL)

    assert process.plan((), Mode.ORCHESTRATED) == Plan(
        process="trip", version=3, mode=Mode.ORCHESTRATED, steps=("enter", "book", "pay", "tell")
    )
    assert process.plan({"meal"}, Mode.ORCHESTRATED).steps == (
        "enter",
        "book",
        "meal",
        "pay",
        "tell",
    )


def test_a_wish_that_no_step_is_there_for_is_refused() -> None:
    with pytest.raises(UnknownWish, match=r"^The process trip knows no wish 'wifi'\.$"):
        trip(ENTER, BOOK, PAY).plan({"wifi"}, Mode.ORCHESTRATED)


def test_an_unknown_step_is_named() -> None:
    with pytest.raises(UnknownStep, match=r"^The process trip has no step 'fly'\.$"):
        trip(ENTER, BOOK, PAY).step("fly")


def test_inputs_are_those_that_a_later_step_of_the_plan_needs() -> None:
    meal = changed(BOOK, name="meal", wish="meal", gives=(), command=MayKnowMore)
    process = trip(ENTER, BOOK, PAY, TELL)
    with_meal = trip(ENTER, BOOK, meal, PAY, TELL)
    plain, wished = (with_meal.plan(each, Mode.ORCHESTRATED) for each in ((), ("meal",)))

    assert process.inputs_from(plain, "book") == {"order_id", "seats", "price", "customer_id"}
    assert with_meal.inputs_from(wished, "pay") == {"price", "customer_id"}
    assert with_meal.inputs_from(wished, "meal") == {"colour", "price", "customer_id"}
    assert with_meal.inputs_from(plain, "tell") == {"customer_id"}


def test_a_command_is_what_its_type_sees_of_the_inputs() -> None:
    started = Started(order_id=1, customer_id=2, seats=(7, 8), passport="X1")

    read = msgspec.json.decode(msgspec.json.encode(started), type=BookSeats)

    assert read == BookSeats(order_id=1, seats=(7, 8))
