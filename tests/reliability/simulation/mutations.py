"""Mistakes that somebody could make, planted into the shipped code: each must be noticed.

`seed` is the smallest one that shows the mistake; `within` says in how many seeds a search must
find it again, wherever it begins. What the platform makes good by itself cannot be shown, for all
ends well: an engine that drops a wish (orders takes the order back when it is confirmed), a tracker
that drops a fact (the watchdog takes the saga over). Searches and tests of the tracker show these,
and `by_hand` that a wish in time makes no detour.

Three well-known mistakes cannot be shown by one thread: reading in the statement that claims (or
without FOR UPDATE), and two relays or sweepers at the same moment; these are for the tests with
rivals of their own (tests/messaging, tests/e2e/test_crashes.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

from confluent_kafka import Message
from msgspec.structs import replace

from apps.contracts.catalogue import Action
from apps.contracts.inventory import GoodsRestocked, Restock
from apps.contracts.plan import Mode
from apps.contracts.shipping import RecallShipment, ShipmentRecalled
from apps.inventory.workspaces import Shelves
from apps.messaging import batch, calls, intents
from apps.messaging.barrier import Decision, Row, Status, decide, of_open_work
from apps.messaging.consumer import ContextConsumer
from apps.messaging.dead_letters import ParkedBehind, is_copy
from apps.messaging.handling import Call, Handler, OutsideCall
from apps.messaging.intents import Claimed, IntentTable, OpenIntent, Waiting
from apps.messaging.record import read_record
from apps.messaging.relay import Relay
from apps.messaging.request import Request
from apps.messaging.wiring import key_of_type, wiring
from apps.orders import returns, taking_back
from apps.payments.gateways import GatewayAnswer
from apps.payments.handlers import REFUND
from apps.processes import Kind
from apps.processes.course import Course, Leg, course_of
from apps.sagas import asking, engine, taking_over, tracker, waiting
from apps.sagas import decide as deciding
from apps.sagas.state import Answer, Cause, Outcome, SagaState
from apps.sagas.state import Decision as Decided
from apps.shipping import handlers
from apps.shipping.workspaces import Parcels
from tests.reliability.simulation.patches import attribute, everywhere, item

Plant = Callable[[], AbstractContextManager[object]]


class Mutation(NamedTuple):
    """A mistake, and where the simulation meets it."""

    plant: Plant
    seed: int
    within: int


# --- the barrier


def no_tombstone() -> AbstractContextManager[object]:
    """A compensation that finds no row leaves none: an action that comes late runs."""

    def forgetful(row: Row | None, request: Request) -> Decision:
        return decide(None if row and row.status is Status.TOMBSTONE else row, request)

    return attribute(batch, "decide", forgetful)


def late_actions_run() -> AbstractContextManager[object]:
    """An action runs though its step was undone."""

    def eager(row: Row | None, request: Request) -> Decision:
        undone = row and row.status is Status.UNDONE and request.action is Action.DO
        return Decision.RUN if undone else decide(row, request)

    return attribute(batch, "decide", eager)


def no_deduplication() -> AbstractContextManager[object]:
    """An action that is done is done again."""

    def again(row: Row | None, request: Request) -> Decision:
        done = row and row.status is Status.DONE and request.action is Action.DO
        return Decision.RUN if done else decide(row, request)

    return attribute(batch, "decide", again)


def undo_while_in_flight() -> AbstractContextManager[object]:
    """A compensation withdraws a call that may be under way."""

    def hasty(row: Row, request: Request) -> Decision:
        doing = row.status is Status.DOING and request.action is Action.UNDO
        return Decision.WITHDRAW if doing else of_open_work(row, request)

    return everywhere(of_open_work, hasty)


# --- the engine


def compensations_out_of_order() -> AbstractContextManager[object]:
    """Prices are unfrozen before payments are given back."""

    def shuffled(header: str) -> Course:
        course = course_of(header)
        legs = dict(course.legs)
        if "authorize_payment" not in legs:  # it takes an order back, or goods of it
            return course
        before = {
            "capture_payment": legs["capture_payment"].previous,
            "authorize_payment": "reserve_stock",
            "freeze_price": "authorize_payment",
        }
        before[legs["authorize_payment"].following] = "freeze_price"
        for step, previous in before.items():
            legs[step] = legs[step]._replace(previous=previous)
        return course._replace(legs=legs)

    return everywhere(course_of, shuffled)


def timeout_turns_the_pivot() -> AbstractContextManager[object]:
    """After the pivot was sent, time still turns back."""

    def too_free(leg: Leg, saga: SagaState) -> bool:
        return leg.step.kind is Kind.PIVOT or sound(leg, saga)

    sound = waiting.may_turn_back
    return everywhere(sound, too_free)


def answers_matched_by_step() -> AbstractContextManager[object]:
    """An answer to an action passes for one to its compensation."""

    def loose(open_request: Request | None, request: Request) -> bool:
        return open_request is not None and open_request.step == request.step

    return everywhere(deciding.matches, loose)


def doubtful_step_left_out() -> AbstractContextManager[object]:
    """A step whose answer never came is not undone."""

    def careless(course: Course, saga: SagaState, first: str, request: Request) -> Decided:
        doubtful = first == request.step and request.action is Action.DO
        return sound(course, saga, course.legs[first].previous if doubtful else first, request)

    sound = asking.turn_back
    return everywhere(sound, careless)


def desk_not_heard() -> AbstractContextManager[object]:
    """An answer to what stands on the desk is dropped."""

    def deaf(course: Course, saga: SagaState, asked: object, answer: object) -> Decided:
        return Decided(saga)

    return everywhere(deciding.hear_on_desk, deaf)


# --- sagas that events drive, and the engine that takes them over


def no_fence() -> AbstractContextManager[object]:
    """Who takes a saga over turns it back without asking the pivot first."""

    def hasty(course: Course, saga: SagaState, cause: Cause, *, by_hand: bool = False) -> Decided:
        assert saga.pending  # only what lives is taken over
        last = course.legs[course.pivot].previous
        return asking.turn_back(course, replace(saga, cause=cause), last, saga.pending)

    return everywhere(taking_over.fence, hasty)


def only_the_known_undone() -> AbstractContextManager[object]:
    """Behind a Fence only what the tracker has heard of is undone."""

    def careless(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decided:
        return sound(course, saga, course.legs.get(saga.detours.resume_at, leg), answer)

    sound = deciding.fenced
    return item(deciding.FOLLOWS, Outcome.FENCED, careless)


def early_fact_lost() -> AbstractContextManager[object]:
    """What is heard of a saga before its start is dropped."""
    return attribute(engine.Sagas, "keep", lambda self, heard: [])


def tracker_goes_on() -> AbstractContextManager[object]:
    """What services tell one another is followed after the engine has taken over, too."""

    def hear(course: Course, saga: SagaState, answer: Answer) -> Decided:
        told = answer.request.mode is Mode.CHOREOGRAPHED and not saga.ended and saga.pending
        return (tracker.track if told else sound)(course, saga, answer)

    sound = deciding.hear
    return everywhere(sound, hear)


# --- wishes to cancel


def wish_forgotten() -> AbstractContextManager[object]:
    """An order that is confirmed though its customer wishes to cancel stays as it is."""
    return everywhere(taking_back.follow_confirmed, lambda database, saga_ids: None)


def wish_not_fulfilled() -> AbstractContextManager[object]:
    """The wish to cancel an order that is undone stays open."""
    return everywhere(taking_back.follow_cancelled, lambda database, saga_ids: None)


def recalled_from_the_carrier() -> AbstractContextManager[object]:
    """A parcel that the carrier has counts as recalled."""

    def recall(command: RecallShipment, parcels: Parcels) -> ShipmentRecalled:
        told = handlers.recall_shipment(command, parcels)
        return ShipmentRecalled(reference=told.reference)

    key = key_of_type(RecallShipment)
    return item(wiring("shipping").commands, key, handlers.Handler(recall, Parcels))


# --- goods that come back


def refund_keyed_by_payment() -> AbstractContextManager[object]:
    """For the gateway all refunds of one payment are the same call, whichever return wants them."""

    def call_of(found: OpenIntent | Claimed, operation: OutsideCall) -> Call:
        call = intents.call_of(found, operation)
        return replace(call, key=call.subject) if call.operation == REFUND else call

    return attribute(calls, "call_of", call_of)


def damaged_goods_on_the_shelf() -> AbstractContextManager[object]:
    """All that is accepted is sold again."""

    def restock(command: Restock, shelves: Shelves) -> GoodsRestocked:
        whole = tuple(replace(each, damaged=0) for each in command.accepted)
        return GoodsRestocked(lines=shelves.put_back(command.placed_by, whole))

    return item(wiring("inventory").commands, key_of_type(Restock), Handler(restock, Shelves))


def refused_pieces_stay_returned() -> AbstractContextManager[object]:
    """What was announced and not accepted cannot be announced again."""
    freed = "sum(quantity - accepted) AS pieces"
    assert freed in returns.DECIDE_RETURNS
    kept = returns.DECIDE_RETURNS.replace(freed, "0 AS pieces")
    return attribute(returns, "DECIDE_RETURNS", kept)


# --- messages


def undo_waits_behind_parked() -> AbstractContextManager[object]:
    """A compensation waits behind the parked action that it would undo."""

    def must_wait(self: ParkedBehind, request: Request) -> bool:
        parked = self.parked.get(request.saga_id, ())
        return any(request.action is not Action.DO or not is_copy(e, request) for e in parked)

    return attribute(ParkedBehind, "must_wait", must_wait)


def offsets_before_the_database() -> AbstractContextManager[object]:
    """Messages count as read before they are carried out."""

    def turn(self: ContextConsumer) -> int:
        messages: Sequence[Message] = self._take()
        if messages:
            self._note_positions()
            self._commit_offsets_at_once()
            self._settle([read_record(each) for each in messages])
        self.office.attend()
        return len(messages)

    return attribute(ContextConsumer, "turn", turn)


def nobody_sweeps() -> AbstractContextManager[object]:
    """What was not acknowledged stays in the outbox."""
    return attribute(Relay, "sweep", lambda self, seconds=0.0: 0)


# --- outside calls


def unknown_taken_as_refused() -> AbstractContextManager[object]:
    """No answer passes for a no."""

    def ask_again(context: str, claimed: Claimed, error: Exception) -> None:
        calls.record(context, claimed, GatewayAnswer(ok=False, code="timeout"))

    return attribute(calls, "ask_again", ask_again)


def fresh_key_per_attempt() -> AbstractContextManager[object]:
    """Each attempt is a new call for the gateway."""

    def call_of(found: OpenIntent | Claimed, operation: OutsideCall) -> Call:
        call = intents.call_of(found, operation)
        return replace(call, key=f"{call.key}-{call.attempt}")

    return attribute(calls, "call_of", call_of)


HOLD_ANYWAY = "SELECT request, undo, fence FROM {context}_intent WHERE id = %b FOR UPDATE"
CLOSE_ANYWAY = """
UPDATE {context}_intent
SET status = %b, lease = NULL, leased_until = NULL, reason = %b WHERE id = %b
"""


@contextmanager
def stale_worker_records() -> Iterator[None]:
    """A worker whose lease ran out records what it has heard."""

    def hold(self: IntentTable, claimed: Claimed) -> Waiting | None:
        return Waiting(*self.database.fetch(HOLD_ANYWAY, [claimed.id])[0])

    def close(self: IntentTable, claimed: Claimed, status: Any, reason: str) -> None:
        self.database.execute(CLOSE_ANYWAY, (status.value, reason, claimed.id))

    with attribute(IntentTable, "hold", hold), attribute(IntentTable, "close", close):
        yield


MUTATIONS: Mapping[str, Mutation] = {
    plant.__name__: Mutation(plant, seed, within)
    for plant, seed, within in (
        (no_tombstone, 2, 100),
        (late_actions_run, 4, 200),
        (no_deduplication, 1, 20),
        (undo_while_in_flight, 2, 50),
        (compensations_out_of_order, 4, 20),
        (timeout_turns_the_pivot, 36, 300),
        (answers_matched_by_step, 4, 50),
        (doubtful_step_left_out, 4, 50),
        (desk_not_heard, 30, 300),
        (no_fence, 10, 200),
        (only_the_known_undone, 2, 100),
        (early_fact_lost, 10, 100),
        (tracker_goes_on, 10, 100),
        (wish_forgotten, 6, 100),
        (wish_not_fulfilled, 2, 100),
        (recalled_from_the_carrier, 6, 200),
        (refund_keyed_by_payment, 36, 300),
        (damaged_goods_on_the_shelf, 6, 100),
        (refused_pieces_stay_returned, 23, 100),
        (undo_waits_behind_parked, 2, 300),
        (offsets_before_the_database, 6, 100),
        (nobody_sweeps, 1, 20),
        (unknown_taken_as_refused, 11, 100),
        (fresh_key_per_attempt, 1, 100),
        (stale_worker_records, 33, 1000),
    )
}


def planted(name: str) -> AbstractContextManager[object]:
    """The mistake of that name, in here; none for no name. Raises KeyError."""
    return MUTATIONS[name].plant() if name else nullcontext()
