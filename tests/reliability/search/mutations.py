"""Rules of the shipped code, each broken by a small patch. A search must notice every one: where
the engine drives the saga and where events do, or it is said why it cannot show there.

Those of the first part have the names that they have in the protocol's model. Not here, for what
they break is not searched or not shipped: `events_of_orchestrated_sagas_start_steps` and
`early_cancel_dropped`, which tests of messaging and of the tracker show; `take_over_after_the_end`,
since nothing is ever due of a saga that has ended; `log_dropped_early`, since nothing drops rows of
a log.

Not among them, since nothing shows it: that a finding is not recorded while a worker has the call
in hand. The worker then does not hold the call any more and records nothing, so all comes out right
without that rule too; it saves the worker's answer from being thrown away.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest.mock import patch

from msgspec.structs import replace

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.contracts.steps import UndoRefused
from apps.messaging import answers, barrier, batch, dead_letters, intents, recording
from apps.messaging.barrier import Decision
from apps.messaging.barrier import Status as RowStatus
from apps.processes import Kind
from apps.sagas import asking, desk, moves, taking_over, waiting
from apps.sagas import decide as deciding
from apps.sagas.state import Outcome, RecordOutcome, Skip, Status, Wish
from tests.reliability.search import participants, workers
from tests.reliability.search.states import DECLINED, Configuration

Patch = AbstractContextManager[Any]


class Seen(NamedTuple):
    """A broken rule in one mode."""

    mode: Mode
    configuration: Configuration
    law: str  # by which it is noticed: how the sentence begins
    cannot: str = ""  # why nothing can show it
    long: bool = False  # so long to search that only campaigns do


@dataclass(frozen=True)
class Mutation:
    """One broken rule."""

    says: str
    broken: Callable[[], Patch]
    noticed_in: Configuration  # the smallest that does
    law: str  # by which it is noticed: how the sentence begins
    # In the other mode, in the same configuration otherwise:
    other_law: str = ""  # by which it is noticed, if it is another
    cannot: str = ""  # why it cannot show
    long: tuple[Mode, ...] = ()  # modes so long to search that only campaigns do
    too_large: bool = False  # to be searched in the other mode at all: millions of states

    @property
    def seen(self) -> tuple[Seen, ...]:
        """In its own mode, then in the other one."""
        own, events = self.noticed_in, self.noticed_in.by_events
        first, second = list(Mode)[:: -1 if events else 1]
        other = own._replace(by_events=not events)
        law = self.other_law or self.law
        here = Seen(first, own, self.law, long=first in self.long)
        there = Seen(second, other, law, self.cannot, second in self.long)
        return (here,) if self.too_large else (here, there)


BY_EVENTS = (Mode.CHOREOGRAPHED,)
# Why a rule cannot show in the other mode.
FINAL = "a refusal is final where events drove: no decision, and no second generation of an action"
FENCED = "where events drove, every turning back begins with a Fence, which closes what is doubtful"
NOT_SKIPPED = "where events drove, nothing is skipped"
UNCERTAIN = "where events drive it is never certain that a wish comes in time"
NOT_TAKEN_OVER = "the engine drives from the start: nothing is taken over"
COMMANDED = "commands are answered again: the engine asks again where an answer got lost"


RETRY = Configuration(waits=True, retries=1)
TIME = Configuration()
WISH = Configuration(cancel=True)
FENCE = Configuration(compensate=True)
BY_HAND = Configuration(by_hand=True, raises=1)
RECORD = Configuration(by_hand=True)
LEASES = Configuration(leases=True)
SKIP = Configuration(skip=True)
PARKING = Configuration(parking=True)
DECLINES = Configuration(declines=True, raises=1)
DECLINED_SKIP = Configuration(declines=True, skip=True)
PAUSE = Configuration(pause=True)
EVENTS = Configuration(by_events=True)
EVENTS_BACK = Configuration(by_events=True, compensate=True)
EVENTS_RETRY = Configuration(by_events=True, waits=True, retries=1)
EVENTS_WISH = Configuration(by_events=True, cancel=True)
EVENTS_SKIP = Configuration(by_events=True, skip=True)


# --- the barrier


def deciding_so(change: Callable[[Any, Any, Decision], Decision]) -> Patch:
    """The barrier, but for what `change` makes of its decision."""
    sound = barrier.decide

    def decide(row: Any, request: Any) -> Decision:
        return change(row, request, sound(row, request))

    return patch.object(barrier, "decide", decide)


def of_refused_row(lower: bool, decision: Decision) -> Patch:
    def change(row: Any, request: Any, sound: Decision) -> Decision:
        if row is None or row.status is not RowStatus.REFUSED or request.action is not Action.DO:
            return sound
        other = (
            request.generation < row.generation if lower else request.generation > row.generation
        )
        return decision if other else sound

    return deciding_so(change)


def lower_answered() -> Patch:
    def change(row: Any, request: Any, sound: Decision) -> Decision:
        done = row is not None and row.status is RowStatus.DONE
        late = sound is Decision.LATE and done and request.action is Action.DO
        return Decision.ANSWER_AGAIN if late else sound

    return deciding_so(change)


def open_work_withdrawn(action: Action) -> Patch:
    """A request of this kind closes a row whose call may be under way."""
    sound = barrier.of_open_work

    def of_open_work(row: Any, request: Any) -> Decision:
        meets = request.action is action and row.status is RowStatus.DOING
        return Decision.WITHDRAW if meets else sound(row, request)

    return patch.object(barrier, "of_open_work", of_open_work)


def undo_anew_by(rule: Callable[[Any, Any], Decision]) -> Patch:
    return patch.object(barrier, "undo_anew", rule)


def no_tombstone() -> Patch:
    sound = answers.status_after

    def status_after(decision: Any, answer: Any) -> Any:
        return None if decision is Decision.BURY else sound(decision, answer)

    return patch.object(answers, "status_after", status_after)


def cell(status: RowStatus | None, **changed: Decision) -> Patch:
    return patch.dict(barrier.TABLE, {status: barrier.TABLE[status]._replace(**changed)})


# --- calls


def fresh_key() -> Patch:
    sound = intents.call_of

    def call_of(found: Any, operation: Any) -> Any:
        call = sound(found, operation)
        return replace(call, key=f"{call.key}/{call.attempt}")

    return patch.object(intents, "call_of", call_of)


def one_key_for_all() -> Patch:
    def key_of(request: Any, operation: str) -> str:
        return f"{request.saga_id}-{request.step}-{request.generation}"

    return patch.object(intents, "key_of", key_of)


def unknown_as_refused() -> Patch:
    sound = workers.answer_of
    return patch.object(workers, "answer_of", lambda known: sound(known) or DECLINED)


def undo_refusal_as_undone() -> Patch:
    sound = recording._undo_recorded

    def undo_recorded(event: Any) -> Any:
        told = sound(event)
        refused = isinstance(event, UndoRefused)
        return told._replace(status=RowStatus.UNDONE) if refused else told

    return patch.object(recording, "_undo_recorded", undo_recorded)


# --- the engine


@contextmanager
def everywhere(name: str, rule: Callable[..., Any]) -> Iterator[None]:
    """A function of `waiting` replaced where it is and where it is imported."""
    with patch.object(waiting, name, rule), patch.object(moves, name, rule):
        yield


def pivot_may_turn_back(where: Any) -> Patch:
    sound = waiting.may_turn_back

    def may_turn_back(leg: Any, saga: Any) -> bool:
        sent = leg.step.kind is Kind.PIVOT and saga.pending.action is Action.DO
        return bool(sound(leg, saga) or sent)

    return patch.object(where, "may_turn_back", may_turn_back)


def doubt_left_out() -> Patch:
    sound = waiting.turn_back_doubting

    def turn_back(course: Any, saga: Any, leg: Any, cause: Any) -> Any:
        return sound(course, replace(saga, status=Status.AWAITING_DECISION), leg, cause)

    return everywhere("turn_back_doubting", turn_back)


def matched_by_step_and_action(of: tuple[Action, ...]) -> Patch:
    sound = deciding.matches

    def matches(asked: Any, request: Any) -> bool:
        if asked is None or request.action not in of:
            return sound(asked, request)
        return bool((asked.step, asked.action) == (request.step, request.action))

    return patch.object(deciding, "matches", matches)


def follows(outcome: Outcome, rule: Callable[..., Any]) -> Patch:
    return patch.dict(deciding.FOLLOWS, {outcome: rule})


def wish_turns_the_pivot() -> Patch:
    sound = deciding.wish

    def wish(course: Any, saga: Any, said: Any) -> Any:
        with pivot_may_turn_back(waiting):
            return sound(course, saga, said)

    return patch.dict(deciding.SAID, {Wish: wish})


def wish_forgotten() -> Patch:
    """The wish that comes while the engine drives changes nothing."""
    return patch.dict(deciding.SAID, {Wish: lambda course, saga, said: deciding.Decision(saga)})


def wish_not_kept() -> Patch:
    """It counts as answered, and does not count where the pivot is refused."""

    def wish(course: Any, saga: Any, said: Any) -> Any:
        return deciding.Decision(replace(saga, detours=replace(saga.detours, cancel_told=True)))

    return patch.dict(deciding.SAID, {Wish: wish})


def skip_at_once() -> Patch:
    sound = moves.MOVES[Skip]

    def skip(course: Any, saga: Any, move: Any) -> Any:
        asked = sound(course, saga, move).saga.pending  # only where it is allowed
        assert asked
        saga = replace(saga, detours=replace(saga.detours, skipped=(move.step,)))
        return asking.go_past(course, saga, course.legs[move.step], None, asked)

    return patch.dict(deciding.SAID, {Skip: skip})


def skipped_in_spite_of_refusal() -> Patch:
    sound = deciding.undo_refused

    def undo_refused(course: Any, saga: Any, leg: Any, answer: Any) -> Any:
        rule = deciding.undone if saga.status is Status.SKIPPING else sound
        return rule(course, saga, leg, answer)

    return follows(Outcome.UNDO_REFUSED, undo_refused)


def pause_sends() -> Patch:
    sound = asking.send

    def send(course: Any, saga: Any) -> Any:
        decision = sound(course, replace(saga, paused=False))
        return decision._replace(saga=replace(decision.saga, paused=saga.paused))

    return patch.object(asking, "send", send)


def recorded_in_the_engine() -> Patch:
    """The engine goes on at once, and the pivot's row is left alone."""

    def record(course: Any, saga: Any, move: Any) -> Any:
        decision = sound(course, saga, move)  # whether it is allowed
        leg = course.legs[move.step]
        if leg.step.kind is not Kind.PIVOT:
            return decision
        return asking.turn_back(course, decision.saga, leg.previous, saga.pending)

    sound = moves.MOVES[RecordOutcome]
    return patch.dict(deciding.SAID, {RecordOutcome: record})


def no_time_for_the_desk() -> Patch:
    sound = waiting.give_up
    return patch.object(waiting, "give_up", lambda *given: sound(*given)._replace(desk_wait=None))


def no_case_for_a_decision() -> Patch:
    sound = desk.concerns

    def concerns(saga: Any) -> Any:
        waits = saga and saga.status is Status.AWAITING_DECISION
        return frozenset() if waits else sound(saga)

    return patch.object(desk, "concerns", concerns)


def desk_answer_ignored() -> Patch:
    return patch.object(
        deciding, "hear_on_desk", lambda course, saga, asked, answer: deciding.Decision(saga)
    )


def parked_undo_waits() -> Patch:
    sound = dead_letters.waits_behind

    def waits_behind(parked: Any, request: Any) -> bool:
        asked = replace(request, action=Action.DO)
        return bool(sound(parked, asked) or (request.action is Action.UNDO and parked))

    return patch.object(dead_letters, "waits_behind", waits_behind)


def own_copy_waits() -> Patch:
    return patch.object(dead_letters, "is_copy", lambda parked, request: False)


# --- choreography and taking over


def duplicates_answered(action: Action) -> Patch:
    def change(row: Any, request: Any, sound: Decision) -> Decision:
        heard_again = sound is Decision.DUPLICATE and request.action is action
        return Decision.ANSWER_AGAIN if heard_again else sound

    return deciding_so(change)


@contextmanager
def no_fence() -> Iterator[None]:
    """Turning back undoes at once, from the step before the pivot on."""

    def fence(course: Any, saga: Any, cause: Any, *, by_hand: bool = False) -> Any:
        first = course.legs[course.pivot].previous
        return asking.turn_back(course, replace(saga, cause=cause), first, saga.pending)

    with patch.object(taking_over, "fence", fence), patch.object(deciding, "fence", fence):
        yield


def wish_dropped() -> Patch:
    """A wish to cancel what events drive changes nothing, not even what is kept of it."""
    return patch.object(taking_over, "wished", lambda course, saga, said: deciding.Decision(saga))


def engine_forgets_events(where: Any) -> Patch:
    """A saga that events drove is treated as if commands had driven it from the start."""
    return patch.object(where, "by_events", lambda course: False)


def refusal_waits_after_take_over() -> Patch:
    sound = deciding.refused

    def refused(course: Any, saga: Any, leg: Any, answer: Any) -> Any:
        with engine_forgets_events(deciding):
            return sound(course, saga, leg, answer)

    return follows(Outcome.REFUSED, refused)


def tracker_goes_on() -> Patch:
    sound = deciding.hear

    def hear(course: Any, saga: Any, answer: Any) -> Any:
        told = answer.request.mode is Mode.CHOREOGRAPHED and not saga.ended and saga.pending
        return (deciding.track if told else sound)(course, saga, answer)

    return patch.object(deciding, "hear", hear)


def only_the_known_undone() -> Patch:
    """After "fenced" only the steps that had told their success are undone."""
    sound = deciding.fenced

    def fenced(course: Any, saga: Any, leg: Any, answer: Any) -> Any:
        known = course.legs.get(saga.detours.resume_at, leg)
        return sound(course, saga, known, answer)

    return follows(Outcome.FENCED, fenced)


MUTATIONS: Mapping[str, Mutation] = {
    # --- the model's
    "takeover_without_fence": Mutation(
        "a saga is taken over and turned back without a Fence", no_fence, EVENTS_BACK,
        "the pivot happened and reserve_stock has no effect", cannot=NOT_TAKEN_OVER),
    "pivot_rule_counts_commands_only": Mutation(
        "after a take-over the engine turns back without a Fence while it has not asked the pivot",
        lambda: engine_forgets_events(waiting), EVENTS,
        "reserve_stock is undone before authorize_payment", cannot=NOT_TAKEN_OVER),
    "retry_after_take_over": Mutation(
        "a refusal waits for a decision though events drove the saga",
        refusal_waits_after_take_over, EVENTS_RETRY,
        "create_order is undone before reserve_stock", cannot=NOT_TAKEN_OVER),
    "skip_after_take_over": Mutation(
        "a step is skipped though events drove the saga",
        lambda: engine_forgets_events(moves), EVENTS_SKIP,
        "the pivot happened and reserve_stock has no effect", cannot=NOT_TAKEN_OVER),
    "tracker_writes_after_take_over": Mutation(
        "what events tell is followed after the engine has taken over", tracker_goes_on, EVENTS,
        "the saga's end is told 1 times", cannot=NOT_TAKEN_OVER),
    "undo_event_answered_again": Mutation(
        "an event that asks for an undoing already made is answered again",
        lambda: duplicates_answered(Action.UNDO), EVENTS,
        "an event that changed nothing is answered", cannot=COMMANDED),
    "event_redelivery_reruns": Mutation(
        "an event that is heard again is answered again",
        lambda: duplicates_answered(Action.DO), EVENTS,
        "an event that changed nothing is answered", cannot=COMMANDED),
    "only_the_known_undone": Mutation(
        "after a Fence only what is known to be done is undone", only_the_known_undone, EVENTS_BACK,
        "create_order is undone before reserve_stock", cannot=NOT_TAKEN_OVER),
    "wish_dropped_by_events": Mutation(
        "a wish to cancel a saga that events drive is dropped", wish_dropped, EVENTS_WISH,
        "a wish to cancel is never answered", cannot=NOT_TAKEN_OVER),
    "lower_generation_runs": Mutation(
        "a refused row runs for a lower generation",
        lambda: of_refused_row(True, Decision.RUN), RETRY,
        "reserve_stock was told done and refused under one generation", cannot=FINAL),
    "lower_generation_answered": Mutation(
        "a row that is done answers an action of a lower generation", lower_answered, RETRY,
        "reserve_stock was told done and refused under one generation", cannot=FINAL),
    "refusal_blocks_retry": Mutation(
        "a refused row takes no action of a higher generation",
        lambda: of_refused_row(False, Decision.LATE), RETRY,
        "no end can be reached from here without help", cannot=FINAL),
    "stale_worker_records": Mutation(
        "a worker records without holding the call (HOLD)",
        lambda: patch.object(participants, "holds", lambda *_: True), RETRY,
        "authorize_payment had its effect 2 times and was undone 0 times"),
    "stuck_answer_ignored": Mutation(
        "an answer to what stands on the desk is ignored", desk_answer_ignored, TIME,
        "no end can be reached from here without help", long=BY_EVENTS),
    "outcome_recorded_past_the_barrier": Mutation(
        "a person's turning back at the sent pivot asks it nothing",
        lambda: pivot_may_turn_back(moves), FENCE,
        "the pivot happened and reserve_stock has no effect", cannot=FENCED),
    "stored_answer_repeated_literally": Mutation(
        "a Fence is answered with the stored event itself",
        lambda: patch.object(answers, "again", lambda item, entry, _: answers.stored(entry.answer)),
        FENCE,
        "UnexpectedAnswer"),
    "resolve_while_claimed": Mutation(
        "a compensation of a higher generation replaces an undo whose call is under way",
        lambda: undo_anew_by(lambda intent, request: Decision.UNDO
                             if request.generation > intent.generation else Decision.WAKE),
        BY_HAND,
        "authorize_payment is given back twice", long=BY_EVENTS),
    "no_tombstone": Mutation(
        "a compensation that finds no row leaves none", no_tombstone, TIME,
        "reserve_stock was told done and refused under one generation"),
    "undo_while_in_flight": Mutation(
        "a compensation closes a row whose call is under way",
        lambda: open_work_withdrawn(Action.UNDO), TIME,
        "reserve_stock is undone before authorize_payment"),
    "fence_answered_while_doing": Mutation(
        "a Fence closes a row whose call is under way",
        lambda: open_work_withdrawn(Action.FENCE), FENCE,
        "the pivot happened and its row is closed"),
    "compensate_after_pivot_sent": Mutation(
        "time turns a saga back while its pivot is asked",
        lambda: pivot_may_turn_back(waiting), TIME,
        "the pivot happened and reserve_stock has no effect", cannot=FENCED),
    "cancel_turns_the_pivot": Mutation(
        "a wish turns a saga back while its pivot is asked", wish_turns_the_pivot, WISH,
        "the pivot happened and reserve_stock has no effect", cannot=FENCED),
    "answers_matched_loosely": Mutation(
        "the generation of an answer to an action is not looked at",
        lambda: matched_by_step_and_action((Action.DO,)), RETRY,
        "create_order is undone before reserve_stock", cannot=FINAL),
    "fresh_key_per_attempt": Mutation(
        "a call whose answer was lost is repeated under a new key", fresh_key, LEASES,
        "authorize_payment is charged twice outside"),
    "unknown_taken_as_refused": Mutation(
        "a call whose outcome is not known counts as refused", unknown_as_refused, TIME,
        "reserve_stock is undone before authorize_payment"),
    "undo_waits_behind_parked": Mutation(
        "a compensation waits behind a parked action", parked_undo_waits, PARKING,
        "a compensation or a Fence waits behind a parked action"),
    "doubtful_step_left_out": Mutation(
        "a step that gave no answer is not undone", doubt_left_out, TIME,
        "create_order is undone before reserve_stock", cannot=FENCED),
    # --- and more
    "effect_undone_twice": Mutation(
        "a row that is undone is undone again",
        lambda: cell(RowStatus.UNDONE, undo=Decision.UNDO), TIME,
        "reserve_stock had its effect 1 times and was undone 2 times",
        other_law="create_order had its effect 1 times and was undone 2 times"),
    "effect_done_twice": Mutation(
        "a row that is done runs again",
        lambda: cell(RowStatus.DONE, do=Decision.RUN), TIME,
        "reserve_stock had its effect 2 times and was undone 0 times"),
    "undone_step_runs": Mutation(
        "an action runs on a row that is undone",
        lambda: cell(RowStatus.UNDONE, do=Decision.RUN), TIME,
        "reserve_stock was told done and refused under one generation"),
    "fence_answers_nothing": Mutation(
        "a Fence that finds a row done is not answered",
        lambda: cell(RowStatus.DONE, fence=Decision.LATE), FENCE,
        "no end can be reached from here without help", long=BY_EVENTS),
    "one_key_for_call_and_undo": Mutation(
        "a step's call and its undoing share a key", one_key_for_all, TIME,
        "a call is wanted a second time under one key"),
    "own_copy_waits": Mutation(
        "a command that is sent again waits behind its parked copy", own_copy_waits, PARKING,
        "no end can be reached from here without help", long=BY_EVENTS),
    "higher_undo_ignored": Mutation(
        "a compensation of a higher generation only wakes a refused undo",
        lambda: undo_anew_by(lambda intent, request: Decision.WAKE), DECLINES,
        "no end can be reached from here without help", long=BY_EVENTS),
    "lower_undo_runs": Mutation(
        "a compensation of a lower generation replaces a refused undo",
        lambda: undo_anew_by(lambda intent, request: Decision.UNDO
                             if request.generation != intent.generation else Decision.WAKE),
        DECLINES,
        "a call is wanted a second time under one key"),
    "undo_refusal_taken_as_undone": Mutation(
        "a refused undo makes the row undone", undo_refusal_as_undone, DECLINES,
        "UnexpectedAnswer"),
    "undo_refusal_ends": Mutation(
        "the engine takes a refused undo for an undone step",
        lambda: follows(Outcome.UNDO_REFUSED, deciding.undone), DECLINES,
        "reserve_stock is undone before authorize_payment"),
    "undo_refusal_matched_loosely": Mutation(
        "a refusal of an earlier undo counts for the one on the desk",
        lambda: matched_by_step_and_action((Action.UNDO,)), DECLINES,
        "the desk takes the undoing of authorize_payment for refused and it is not"),
    "undone_after_all_ignored": Mutation(
        "that an earlier compensation was made after all does not settle a later one",
        lambda: patch.object(deciding, "closes", lambda asked, answer: False), BY_HAND,
        "no end can be reached from here without help", long=tuple(Mode), too_large=True),
    "skip_without_undoing": Mutation(
        "a step is skipped without being closed", skip_at_once, SKIP,
        "reserve_stock is undone before authorize_payment", cannot=NOT_SKIPPED),
    "skipped_in_spite_of_refusal": Mutation(
        "a step whose undo is refused is skipped all the same",
        skipped_in_spite_of_refusal, DECLINED_SKIP,
        "reserve_stock is undone before authorize_payment", cannot=NOT_SKIPPED),
    "pause_sends": Mutation("a paused saga sends", pause_sends, PAUSE,
        "a paused saga sends something"),
    "wish_forgotten": Mutation("a wish to cancel is dropped", wish_forgotten, WISH,
        "a wish to cancel is never answered"),
    "wish_not_kept": Mutation("a wish is not kept", wish_not_kept, WISH,
        "a wish to cancel came in time and the saga is confirmed", cannot=UNCERTAIN),
    "finding_makes_a_row": Mutation(
        "what a person has found makes the row that it does not find",
        lambda: patch.object(batch, "claims_row", lambda message: True), RECORD,
        "AssertionError"),
    "finding_leaves_the_call_open": Mutation(
        "a call whose outcome a person has recorded stays open",
        lambda: patch.dict(recording.CHANGES_CALL, {Decision.RECORD: None}),
        Configuration(by_hand=True, leases=True),
        "capture_payment had its effect 2 times and was undone 0 times"),
    "finding_in_the_engine_alone": Mutation(
        "what a person has found turns the saga back, the row is left alone",
        recorded_in_the_engine, RECORD,
        "the pivot happened and reserve_stock has no effect"),
    "no_time_for_the_desk": Mutation(
        "what comes onto the desk has no time to be asked again", no_time_for_the_desk, TIME,
        "something stands on the desk and no time is set"),
    "no_case_for_a_decision": Mutation(
        "a refusal that waits for a decision opens no case", no_case_for_a_decision, RETRY,
        "cases are open for [], the desk has", cannot=FINAL),
}  # fmt: skip
