"""What must hold in every reachable state, in every move, and at the end."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from apps.contracts.base import Refusal
from apps.contracts.steps import Fenced
from apps.messaging.barrier import Status as RowStatus
from apps.messaging.models import IntentStatus
from apps.sagas.state import OnDesk, SagaState, Status, concerns
from tests.reliability.search.moves import Moves, remembered
from tests.reliability.search.plans import CAPTURE, RETRIABLE
from tests.reliability.search.states import ACCEPTED, Letter, Record, State, StepRow, World

DONE, UNDONE, TOMBSTONE, UNDOING = (
    RowStatus.DONE, RowStatus.UNDONE, RowStatus.TOMBSTONE, RowStatus.UNDOING,
)  # fmt: skip
CLOSED = (None, RowStatus.REFUSED, UNDONE, TOMBSTONE)


class Facts:
    """What is so, inside and outside: rows, world and saga of one state."""

    def __init__(self, moves: Moves, rows: tuple[int, ...], world: int, record: int) -> None:
        self.searched = moves.searched
        self.rows = dict(
            zip(moves.searched.steps, (moves.rows[each] for each in rows), strict=True)
        )
        self.world: World = moves.worlds[world]
        self.record: Record = moves.records[record]

    @property
    def saga(self) -> SagaState | None:
        return self.record.state

    @property
    def status(self) -> Status | None:
        return self.saga.status if self.saga else None

    def charged(self, step: str) -> int:
        """How many effects of this step stand in the outside world."""
        taken = [each for each in self.world if each.step == step and each.status == ACCEPTED]
        back = sum(each.gives_back for each in taken)
        return len(taken) - 2 * back - self.rows[step].instead

    def standing(self, step: str) -> bool:
        """Whether the step has an effect now, inside or outside."""
        row = self.rows[step]
        outside = step in self.searched.outside and self.charged(step) > 0
        return row.done > row.undone or outside

    def closed_for_good(self, step: str) -> bool:
        row = self.rows[step]
        return row.undone > 0 or row.status is TOMBSTONE

    @property
    def pivot_happened(self) -> bool:
        return self.charged(CAPTURE) > 0 or self.rows[CAPTURE].done > 0

    @property
    def skipped(self) -> tuple[str, ...]:
        return self.saga.detours.skipped if self.saga else ()

    @property
    def desk(self) -> tuple[OnDesk, ...]:
        return self.saga.detours.desk if self.saga else ()

    def excused(self, earlier: str, later: str) -> bool:
        """Whether a step may be undone before a later one."""
        if self.saga is None:  # events may drive it that nobody has told the engine yet
            return False
        skipping = self.saga.status is Status.SKIPPING and self.saga.pending
        skipped = earlier in self.skipped or (skipping and skipping.step == earlier)
        return bool(skipped) or any(each.step == later for each in self.desk)


class Laws:
    """The laws over the states of one search."""

    def __init__(self, moves: Moves) -> None:
        self.moves = moves
        self.facts_of = remembered(self._facts_of)
        self.contradiction = remembered(self._contradiction)

    def _facts_of(self, rows: tuple[int, ...], world: int, record: int) -> tuple[Facts, str]:
        facts = Facts(self.moves, rows, world, record)
        return facts, next(violations(facts), "")

    def broken(self, state: State) -> str:
        """The law that a state breaks, or nothing."""
        facts, problem = self.facts_of(state.rows, state.world, state.saga)
        if not problem and state.wish_in_time and facts.status is Status.CONFIRMED:
            problem = "a wish to cancel came in time and the saga is confirmed"
        if not problem and state.wished and facts.saga and not is_answered(facts.saga):
            problem = "a wish to cancel is never answered"
        return problem or self.contradiction(state.sent)

    def broken_by(self, old: State, new: State) -> str:
        """The law that a move breaks, or nothing."""
        before = self.moves.records[old.saga].state
        after = self.moves.records[new.saga].state
        if before and before.ended and (after is None or after.status is not before.status):
            return "the reported end changed"
        return ""

    def good(self, state: State) -> bool:
        """Whether it has ended well, or rests on the desk until a person acts."""
        facts, _ = self.facts_of(state.rows, state.world, state.saga)
        return ended_well(facts) or rests(facts)

    def _contradiction(self, sent: frozenset[int]) -> str:
        letters = [self.moves.letters[each] for each in sent]
        return next(contradictions(self.moves, [each for each in letters if each.told]), "")


def is_answered(saga: SagaState) -> bool:
    """Whether who wishes to cancel the saga knows what became of that, or still will."""
    return saga.detours.cancel_told or not saga.ended


def violations(facts: Facts) -> Iterator[str]:
    yield from effects_once(facts)
    if facts.pivot_happened:
        yield from pivot_stands_on_all(facts)
    yield from in_reverse(facts)
    if facts.saga:
        yield from the_report_is_true(facts, facts.saga)
        yield from the_desk_is_known(facts, facts.saga)
        yield from the_desk_is_true(facts)
        yield from somebody_looks_again(facts, facts.saga)


def effects_once(facts: Facts) -> Iterator[str]:
    for step, row in facts.rows.items():
        if row.done - row.undone not in (0, 1):
            yield f"{step} had its effect {row.done} times and was undone {row.undone} times"
    for step in facts.searched.outside:
        if facts.charged(step) > 1:
            yield f"{step} is charged twice outside"
        if facts.charged(step) < 0:
            yield f"{step} is given back twice"


def pivot_stands_on_all(facts: Facts) -> Iterator[str]:
    """What the pivot rests on stands, but for what was skipped; it is never closed itself."""
    for step in facts.searched.compensatable:
        gone = facts.closed_for_good(step) or not facts.standing(step)
        if gone and step not in facts.skipped:
            yield f"the pivot happened and {step} has no effect"
    if facts.rows[CAPTURE].status in (TOMBSTONE, UNDOING, UNDONE):
        yield "the pivot happened and its row is closed"


def in_reverse(facts: Facts) -> Iterator[str]:
    for earlier, later in combinations(facts.searched.compensatable, 2):
        wrong = facts.closed_for_good(earlier) and facts.standing(later)
        if wrong and not facts.excused(earlier, later):
            yield f"{earlier} is undone before {later}"
    for step in facts.searched.steps:
        behind = facts.searched.kind(step) is RETRIABLE
        if behind and facts.standing(step) and not facts.pivot_happened:
            yield f"{step} has its effect without the pivot"


def the_report_is_true(facts: Facts, saga: SagaState) -> Iterator[str]:
    for step in facts.searched.steps:
        standing = facts.standing(step)
        if saga.status is Status.UNDONE and standing:
            yield f"the saga is told undone and the effect of {step} stands"
        if saga.status is Status.CONFIRMED and standing == (step in facts.skipped):
            word = "no effect" if not standing else "an effect though it was skipped"
            yield f"the saga is told confirmed and {step} has {word}"


def the_desk_is_known(facts: Facts, saga: SagaState) -> Iterator[str]:
    """A case is open exactly while something stands on the desk, and says what is needed."""
    kind = "decision" if saga.status is Status.AWAITING_DECISION else "stuck"
    wanted = {(str(each.step), str(each.action), kind) for each in concerns(saga)}
    if facts.record.cases != wanted:
        yield f"cases are open for {sorted(facts.record.cases)}, the desk has {sorted(wanted)}"


def the_desk_is_true(facts: Facts) -> Iterator[str]:
    """What the desk knows to be refused is not asked again: so nothing of it is under way."""
    for each in facts.desk:
        call = facts.rows[each.step].call
        of_it = call is not None and call.request == each.request(call.request.saga_id)
        if each.refused and of_it and not refused(facts.rows[each.step], each):
            yield f"the desk takes the undoing of {each.step} for refused and it is not"


def somebody_looks_again(facts: Facts, saga: SagaState) -> Iterator[str]:
    """Whatever is open has a time at which the watchdog looks at it; a pause has its own."""
    if saga.pending and not facts.record.due and not saga.paused:
        yield f"{saga.pending.step} is awaited and no time is set"
    if saga.detours.desk and not facts.record.desk_due:
        yield "something stands on the desk and no time is set"


def contradictions(moves: Moves, told: Sequence[Letter]) -> Iterator[str]:
    """What was told stays true."""
    successes = moves.searched.successes
    done = {
        (each.request.step, each.request.generation)
        for each in told
        if isinstance(each.message, type(successes[each.request.step]))
    }
    for each in told:
        step, generation = each.request.step, each.request.generation
        if isinstance(each.message, Refusal) and (step, generation) in done:
            yield f"{step} was told done and refused under one generation"
        if isinstance(each.message, Fenced) and any(it == step for it, _ in done):
            yield f"{step} was told done and fenced"


def ended_well(facts: Facts) -> bool:
    """Confirmed with every step done, or undone with no effect left; nothing is open any more."""
    if facts.status is Status.CONFIRMED:
        return all(row.status is DONE or step in facts.skipped for step, row in facts.rows.items())
    settled = all(row.status in CLOSED for row in facts.rows.values())
    standing = any(facts.standing(step) for step in facts.searched.steps)
    return facts.status is Status.UNDONE and settled and not standing


def rests(facts: Facts) -> bool:
    """Everything but the desk is settled, and what stands there was definitely refused."""
    if facts.status is not Status.STUCK or facts.saga is None or facts.saga.pending:
        return False
    on_desk = {each.step: each for each in facts.desk}
    return all(
        refused(row, on_desk[step]) if step in on_desk else row.status in CLOSED
        for step, row in facts.rows.items()
    )


def refused(row: StepRow, asked: OnDesk) -> bool:
    """Whether it stands there because its undoing was refused: by the outside world, or because
    what a person wished for it cannot be."""
    if row.status is DONE:
        return asked.refused
    return asked.refused and row.call is not None and row.call.status is IntentStatus.REFUSED
