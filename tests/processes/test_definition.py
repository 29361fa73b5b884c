"""Every mistake in a definition is refused, with an error that names process and step."""

import msgspec
import pytest

from apps.contracts import inventory, payments, pricing
from apps.contracts.base import Command, Compensation, Event, Refusal, Undone
from apps.contracts.plan import Mode, Plan
from apps.contracts.steps import Fence
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


class Unanswered(Compensation, frozen=True, kw_only=True): ...


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
        "trip.book,pay: a name is written in small letters, digits and _, 60 at most",
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


# --- what is no number, no message, no name at all


def with_patience(**changes: object) -> tuple[Step, ...]:
    return (ENTER, changed(BOOK, patience=Patience(**changes)), PAY)  # type: ignore[arg-type]


NAN, INF = float("nan"), float("inf")
SECONDS = "a number of seconds, 31536000 (a year) at most"
SHAPES = {
    **{
        f"a timeout of {each!r}": (
            with_patience(timeout=each),
            f"trip.book: patience.timeout is {SECONDS}, not {each!r}",
        )
        for each in (NAN, INF, -INF, 1e300, True, None, "10", 31_536_001)
    },
    **{
        f"a longest wait of {each!r}": (
            with_patience(longest=each),
            f"trip.book: patience.longest is {SECONDS}, not {each!r}",
        )
        for each in (NAN, INF, 1e300, True, None, "300")
    },
    **{
        f"attempts of {each!r}": (
            with_patience(attempts=each),
            "trip.book: patience.attempts is a whole number, 1000 at most, not " + repr(each),
        )
        for each in (NAN, INF, 2.5, True, None, "4", 1001)
    },
    **{
        f"a backoff of {each!r}": (
            with_patience(backoff=each),
            f"trip.book: patience.backoff is a number, 1000 at most, not {each!r}",
        )
        for each in (NAN, INF, True, None, "2", 1001)
    },
    **{
        f"a decision within {each!r}": (
            (ENTER, changed(BOOK, on_refusal=OnRefusal.WAIT, decide_within=each), PAY),
            f"trip.book: decide_within is {SECONDS}, not {each!r}",
        )
        for each in (NAN, INF, True, None, "60")
    },
    "a number of five hundred digits": (
        with_patience(timeout=10**500),
        f"trip.book: patience.timeout is {SECONDS}, not 1{'0' * 58}…",
    ),
    "no patience": (
        (ENTER, changed(BOOK, patience=10), PAY),
        "trip.book: its patience is a Patience, not 10",
    ),
    "an unknown kind": (
        (ENTER, changed(BOOK, kind="compensatable"), PAY),
        "trip.book: its kind is a Kind, not 'compensatable'",
    ),
    "an unknown reaction to a refusal": (
        (ENTER, changed(BOOK, on_refusal="explode"), PAY),
        "trip.book: on_refusal is an OnRefusal, not 'explode'",
    ),
    "a reaction by its name": (
        (ENTER, changed(BOOK, on_refusal="wait", decide_within=60), PAY),
        "trip.book: on_refusal is an OnRefusal, not 'wait'",
    ),
    "perhaps outside": (
        (ENTER, changed(BOOK, outside="no"), PAY),
        "trip.book: outside is True or False, not 'no'",
    ),
    "perhaps skippable": (
        (ENTER, changed(BOOK, skippable="no"), PAY),
        "trip.book: skippable is True or False, not 'no'",
    ),
    "a wish of two words": (
        (ENTER, BOOK, changed(MEAL, wish="A B"), PAY),
        "trip.meal: a wish is written like a name: in small letters, digits and _, 60 at most",
    ),
    "a wish that is none": (
        (ENTER, BOOK, changed(MEAL, wish=None), PAY),
        "trip.meal: a wish is written like a name: in small letters, digits and _, 60 at most",
    ),
    "a name that is too long for a header": (
        (ENTER, changed(BOOK, name="b" * 61), PAY),
        f"trip.{'b' * 61}: a name is written in small letters, digits and _, 60 at most",
    ),
    "a name that is no text": (
        (ENTER, changed(BOOK, name=7), PAY),
        "trip.7: a name is written in small letters, digits and _, 60 at most",
    ),
    "gifts without a tuple": (
        (ENTER, changed(BOOK, gives="price"), PAY),
        "trip.book: gives is a tuple of names, not 'price'",
    ),
    "a substitute without a tuple": (
        (ENTER, changed(BOOK, substitutes=GiveVoucher), PAY),
        "trip.book: substitutes is a tuple of compensations, not GiveVoucher",
    ),
    "a substitute that is a command": (
        (ENTER, changed(BOOK, substitutes=(Tell,)), PAY),
        "trip.book: a substitute is a message of the kind Compensation, not Tell",
    ),
    "a compensation that is a command": (
        (ENTER, changed(BOOK, compensation=Tell), PAY),
        "trip.book: its compensation is a message of the kind Compensation, not Tell",
    ),
    "a compensation that nothing answers": (
        (ENTER, changed(BOOK, compensation=Unanswered), PAY),
        "trip.book: Unanswered says not what it is answered by: give it answer = …",
    ),
    "a command that undoes": (
        (ENTER, changed(BOOK, command=ReturnSeats), PAY),
        "trip.book: its command does the step, ReturnSeats undoes it",
    ),
    "a command that is an event": (
        (ENTER, changed(BOOK, command=Told), PAY),
        "trip.book: its command is a message of the kind Command, not Told",
    ),
    "a command of any step": (
        (ENTER, changed(BOOK, command=Fence), PAY),
        "trip.book: Fence is said of any step, and is none's own",
    ),
    "a command by its name": (
        (ENTER, changed(BOOK, command="BookSeats"), PAY),
        "trip.book: its command is a message of the kind Command, not 'BookSeats'",
    ),
    "a kind of message as a message": (
        (ENTER, changed(BOOK, success=Event), PAY),
        "trip.book: its success is a message of the kind Event, not Event",
    ),
    "no success": (
        (ENTER, changed(BOOK, success=None), PAY),
        "trip.book: its success is a message of the kind Event, not None",
    ),
    "a success that is a refusal": (
        (ENTER, changed(BOOK, success=SeatsTaken, gives=()), PAY),
        "trip.book: its success is a fact, and SeatsTaken a refusal",
    ),
    "a success that undoes": (
        (ENTER, changed(BOOK, success=SeatsReturned, gives=()), PAY),
        "trip.book: its success is a fact, and SeatsReturned an undoing",
    ),
    "a refusal that is a success": (
        (ENTER, changed(BOOK, refusal=SeatsBooked), PAY),
        "trip.book: its refusal is a message of the kind Refusal, not SeatsBooked",
    ),
    "an undo by another context": (
        (ENTER, changed(BOOK, compensation=inventory.ReleaseStock), PAY),
        "trip.book: ReleaseStock belongs to inventory, and the step to test_definition",
    ),
    "a success told by another context": (
        (ENTER, changed(BOOK, success=pricing.PriceFrozen, gives=()), PAY),
        "trip.book: PriceFrozen belongs to pricing, and the step to test_definition",
    ),
    "a refusal by another context": (
        (ENTER, changed(BOOK, refusal=payments.PaymentDeclined), PAY),
        "trip.book: PaymentDeclined belongs to payments, and the step to test_definition",
    ),
    "a first step that another context undoes": (
        (changed(ENTER, compensation=inventory.ReleaseStock), BOOK, PAY),
        "trip.enter: ReleaseStock belongs to inventory, and the step to test_definition",
    ),
    "a substitute twice": (
        (ENTER, changed(BOOK, substitutes=(GiveVoucher, GiveVoucher)), PAY),
        "trip.book: GiveVoucher is a substitute twice",
    ),
    "the compensation as its own substitute": (
        (ENTER, changed(BOOK, substitutes=(ReturnSeats,)), PAY),
        "trip.book: ReturnSeats is its compensation: a substitute is another way",
    ),
}


@pytest.mark.parametrize(("steps", "message"), SHAPES.values(), ids=SHAPES)
def test_what_is_not_what_it_should_be_is_refused(steps: tuple[Step, ...], message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        trip(*steps)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({"deadline": each}, f"trip: deadline is {SECONDS}, not {each!r}")
          for each in (NAN, INF, 1e300, True, None, "3600")),
        *(({"version": each}, f"trip: version is a whole number from 1 on, not {each!r}")
          for each in (0, -1, "1/2", 1.0, True, None, 2**31)),
        *(({"personal": each}, f"trip: personal is a tuple of names, not {each!r}")
          for each in ("passport", None, (7,))),
        *(({"steps": each}, "trip: its steps are a tuple of Step")
          for each in (None, ENTER, [ENTER, BOOK, PAY], ("enter",))),
        ({"name": 7}, "7: a name is written in small letters, digits and _, 60 at most"),
        ({"name": "a" * 61},
         "a" * 61 + ": a name is written in small letters, digits and _, 60 at most"),
    ],
)  # fmt: skip
def test_what_is_not_what_a_process_has_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        Process(**{"name": "trip", "version": 1, "steps": (ENTER, BOOK, PAY), **changes})
    assert str(refused.value) == message


def test_a_plan_fits_into_its_header() -> None:
    more = [changed(TELL, name=f"tell_{n:04}_{'x' * 50}") for n in range(200)]
    with pytest.raises(DefinitionError, match=r"^trip: its plan has .* characters, a header 10000"):
        trip(ENTER, BOOK, PAY, *more)
    assert trip(ENTER, BOOK, PAY, *more[:100])


def test_a_process_may_take_a_year() -> None:
    year = 31_536_000
    book = changed(BOOK, patience=Patience(timeout=year - 1, longest=year))
    assert trip(ENTER, book, PAY, deadline=year).deadline == year


def test_two_steps_may_have_the_same_command_and_the_same_answers() -> None:
    """Answers match on the step's name, and a handler is told it."""
    assert trip(ENTER, BOOK, changed(BOOK, name="book_back", gives=()), PAY)
