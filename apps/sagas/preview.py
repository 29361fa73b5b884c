"""What a move would do, computed from the saga's own history before anybody does it.

A preview is bound to the saga's version: the operation names it, and is refused if the saga has
moved since. Nothing is written or locked and no other context is read: it speaks of what the saga
was told.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple
from uuid import UUID

from apps.contracts.base import context_of
from apps.contracts.catalogue import Action
from apps.contracts.steps import Fenced, ResolveOutside
from apps.contracts.topics import MOVE_MONEY
from apps.messaging.context import context
from apps.messaging.display import money
from apps.processes.course import Course, course_of
from apps.sagas import selectors
from apps.sagas.decide import decide
from apps.sagas.engine import known_from
from apps.sagas.errors import MoveNotAllowed, UnknownSagaId
from apps.sagas.models import SagaStep
from apps.sagas.state import (
    Answer,
    Decision,
    Driver,
    Move,
    Outcome,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    SagaState,
    Skip,
    Status,
)
from apps.sagas.statements import READ_SAGAS
from apps.sagas.taking_over import by_events

Facts = Mapping[str, Any]  # of an answer


@dataclass(frozen=True, slots=True)
class Undoing:
    """A step that would be undone, and what it had done as far as its answer told."""

    step: str
    told: str  # what the customer reads of it; "": nothing
    known: bool  # its success was told; otherwise it may have had an effect, or none
    by: str  # the message that does it; "" for the compensation of its definition
    money_cents: int  # held or taken by it, to be given back
    pieces: int  # reserved or sent by it, to be put back

    @property
    def at_most(self) -> bool:
        """Whether less may be given back: its effect is in doubt, or a substitute undoes it, which
        gives back what it finds to be due."""
        return not self.known or self.by not in ("", ResolveOutside.__name__)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a move would do to a saga as it stands."""

    saga_id: UUID
    version: int  # of the saga; the operation names it
    status: str
    allowed: bool
    why_not: str  # what stands in the way, and what can be done instead
    asked_now: tuple[str, ...]  # messages that go out at once
    undone: tuple[Undoing, ...]  # in this order
    follows: tuple[str, ...]  # steps that are asked then, where it only goes forward
    only_if_fenced: bool  # the undoing depends on the pivot's answer
    moves_money: bool  # a step of a context that does is asked at once
    money_cents: int  # given back in all, in the order's currency
    currency: str
    pieces: int  # put back in all
    customer_is_told: tuple[str, ...]
    cannot_be_undone: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For the terminal and the admin."""
        return asdict(self) | {"saga_id": str(self.saga_id)}


class Looked(NamedTuple):
    """What has to be known of a saga to foresee any move."""

    course: Course
    state: SagaState
    version: int
    told: Mapping[str, Facts]  # what each step told of its success
    past_deadline: bool  # it is paused, and its time ran out meanwhile

    def foresee(self, move: Move) -> Preview:
        """What that move would do."""
        if isinstance(move, Resume):
            move = Resume(past_deadline=self.past_deadline)
        return foresee(self.course, self.state, self.version, move, self.told)


def preview(*, saga_id: UUID, move: Move) -> Preview:
    """What a move would do now. Raises UnknownSagaId, and NoDefinition where this code cannot
    tell."""
    return look(saga_id).foresee(move)


def look(saga_id: UUID) -> Looked:
    """A saga as it stands, for several previews. Raises UnknownSagaId and NoDefinition."""
    rows = context("sagas").database.fetch(READ_SAGAS, [[saga_id]])
    if not rows:
        raise UnknownSagaId(saga=str(saga_id))
    known = known_from(rows[0])
    assert known.state  # what is in the table has one
    late = known.state.paused and selectors.is_past_deadline(saga_id)
    return Looked(course_of(known.plan), known.state, known.revision, history(saga_id), late)


def history(saga_id: UUID) -> dict[str, Facts]:
    """What each step told of its success."""
    rows = SagaStep.objects.filter(saga_id=saga_id, outcome=Outcome.DONE)
    return dict(rows.values_list("step", "answer"))


def foresee(
    course: Course, saga: SagaState, version: int, move: Move, told: Mapping[str, Facts]
) -> Preview:
    """The consequences of a move, from the decisions that would follow it. Pure."""
    try:
        decision: Decision | None = decide(course, saga, move)
        why_not = ""
    except MoveNotAllowed as refusal:
        decision, why_not = None, str(refusal)
    undone = tuple(undoings(course, move, decision, told)) if decision else ()
    return Preview(
        saga_id=saga.saga_id,
        version=version,
        status=saga.status,
        allowed=decision is not None,
        why_not=why_not,
        asked_now=tuple(type(each.message).__name__ for each in decision.sends) if decision else (),
        undone=undone,
        follows=tuple(following(course, move)) if decision else (),
        only_if_fenced=bool(decision and decision.saga.status is Status.FENCING),
        moves_money=bool(decision and asks_for_money(course, decision)),
        money_cents=sum(each.money_cents for each in undone),
        currency=str(told.get(course.plan.steps[0], {}).get("currency", "")),
        pieces=sum(each.pieces for each in undone),
        customer_is_told=tuple(customer_is_told(course, move, undone, told)) if decision else (),
        cannot_be_undone=tuple(cannot_be_undone(course, saga, move, decision, undone))
        if decision
        else (),
    )


def asks_for_money(course: Course, decision: Decision) -> bool:
    """Whether a step is asked at once whose context moves money, whatever it is asked."""
    steps = {each.request.step for each in decision.sends}
    return any(context_of(course.legs[each].step.success) in MOVE_MONEY for each in steps)


def undoings(
    course: Course, move: Move, decision: Decision, told: Mapping[str, Facts]
) -> Iterator[Undoing]:
    """The steps that would be undone, in order, with what they had done."""
    first = course.plan.steps[0]
    for step, by in undone_after(course, move, decision):
        facts = told.get(step, {})
        lines = () if step == first else facts.get("lines", ())
        pieces = sum(int(line.get("quantity", 0)) for line in lines)
        money = int(facts.get("amount_cents", 0)) if facts else doubtful_cents(course, step, told)
        sentence = course.legs[step].step.told_undone
        yield Undoing(step, sentence, step in told, by, money, pieces)


def doubtful_cents(course: Course, step: str, told: Mapping[str, Facts]) -> int:
    """What a step has taken at most whose success nobody has told: all that is asked for."""
    takes_money = "amount_cents" in course.legs[step].step.success.__struct_fields__
    totals = [int(told[each]["total_cents"]) for each in course.plan.steps if asks(each, told)]
    return totals[-1] if takes_money and totals else 0


def asks(step: str, told: Mapping[str, Facts]) -> bool:
    """Whether a step has told what is to be paid."""
    return "total_cents" in told.get(step, {})


def following(course: Course, move: Move) -> Iterator[str]:
    """The steps behind one that a person records as happened: only forward from there."""
    if isinstance(move, RecordOutcome):
        step = course.legs[move.step].following
        while step:
            yield step
            step = course.legs[step].following


def undone_after(course: Course, move: Move, decision: Decision) -> Iterator[tuple[str, str]]:
    """The steps that would be undone and by what, in order, if every compensation succeeds: what
    is asked for on the desk, then step by step; after a Fence, if the pivot had not happened. Of
    what is paused, all that follows when its pause is over."""
    saga = decision.saga
    if isinstance(move, Pause):
        return
    for told in decision.sends:
        if told.request.action is Action.UNDO and told.request != saga.pending:
            own = course.legs[told.request.step].step.compensation
            by = type(told.message)
            yield told.request.step, "" if by is own else by.__name__
    while saga.pending and saga.pending.action is not Action.DO:
        if saga.pending.action is Action.UNDO:
            yield saga.pending.step, ""
        saga = decide(course, saga, well_answered(course, saga)).saga


def well_answered(course: Course, saga: SagaState) -> Answer:
    """The answer that is hoped for."""
    request = saga.pending
    assert request
    if request.action is Action.FENCE:
        return Answer(request, Fenced())
    compensation = course.legs[request.step].step.compensation
    assert compensation
    return Answer(request, compensation.answer())


def customer_is_told(
    course: Course, move: Move, undone: Sequence[Undoing], told: Mapping[str, Facts]
) -> Iterator[str]:
    """What the customer will read on the order's timeline."""
    if isinstance(move, RecordOutcome):
        for name in (move.step, *following(course, move)):
            if sentence := course.legs[name].step.told:
                cents = doubtful_cents(course, name, told)
                yield sentence.format(money=money(cents) if cents else "the money")
    for each in undone:
        if each.money_cents:
            at_most = "up to " if each.at_most else ""
            yield f"that {at_most}{money(each.money_cents)} is given back"
        if each.told:
            yield each.told
    if isinstance(move, Skip):
        yield f"nothing: the order goes on without {move.step}"


def cannot_be_undone(
    course: Course, saga: SagaState, move: Move, decision: Decision, undone: Sequence[Undoing]
) -> Iterator[str]:
    """What stays, or stays open, whatever is done."""
    if saga.driver is Driver.EVENTS:
        yield "The engine takes the saga over for good. What is known of it is as last heard."
    if decision.saga.status is Status.FENCING:
        yield "If the pivot has happened already, nothing is undone and the saga goes forward."
    if saga.paused and decision.saga.paused:
        yield "It is paused: nothing of this is asked before the pause is over."
    if isinstance(move, Pause) and by_events(course):
        yield "Services may go on by what they had told one another before the engine took over."
    doubtful = [each.step for each in undone if not each.known]
    if doubtful:
        yield f"Not known to have happened, undone if it did: {', '.join(doubtful)}."
    if isinstance(move, RecordOutcome):
        yield (
            "It stays as it is if the service finds no call outside that it has made for this "
            "step: the timeline then says so."
        )
    if isinstance(move, Resolve | RecordOutcome):
        yield "What was done outside by hand: only the evidence is kept here."
    skipped = [each for each in decision.saga.detours.skipped if each in course.plan.steps]
    if skipped:
        yield f"Skipped steps, which were undone already: {', '.join(skipped)}."
