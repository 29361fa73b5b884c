"""What can happen next in a state: every move that the network, the outside world, a worker, time
or a person may make."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.contracts.steps import RecordHappened, StepWaits
from apps.messaging import batch, dead_letters
from apps.messaging.dead_letters import ParkedRequest
from apps.messaging.request import Request
from apps.sagas.state import (
    Answer,
    RecordOutcome,
    Said,
    Status,
    Wish,
)
from tests.reliability.search import participants
from tests.reliability.search.engine import Engine, Step, key_of
from tests.reliability.search.participants import Change, Participants, request_of
from tests.reliability.search.plans import (
    CAPTURE,
    FIRST,
    LONG,
    RETRIABLE,
    SHORT,
    Searched,
    searched,
)
from tests.reliability.search.said import by_people, by_time
from tests.reliability.search.states import (
    ACCEPTED,
    DECLINED,
    IN_FLIGHT,
    Configuration,
    Letter,
    Move,
    Numbered,
    OpenCall,
    Record,
    State,
    StepRow,
    World,
)
from tests.reliability.search.workers import Workers
from tests.sagas.scenarios import SAGA

LATER = StepWaits(reason="busy", until=datetime(2026, 3, 1, 12, tzinfo=UTC))
ANSWERED_AGAIN = "an event that changed nothing is answered"
SAGA_ROW = "saga"  # who reads, beside the steps
WAITS_BEHIND_PARKED = "a compensation or a Fence waits behind a parked action"
AN_ID = UUID(int=1)


class Moves:
    """The moves of one configuration. Everything that is decided is decided once and remembered."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        given = configuration
        self.searched: Searched = searched(
            LONG if given.long else SHORT,
            waits=given.waits,
            attempts=given.attempts,
            mode=Mode.CHOREOGRAPHED if given.by_events else Mode.ORCHESTRATED,
        )
        self.letters: Numbered[Letter] = Numbered(lambda letter: letter.key)
        self.rows: Numbered[StepRow] = Numbered()
        self.worlds: Numbered[World] = Numbered()
        self.records: Numbered[Record] = Numbered(key_of)
        self.participants = Participants(self.searched, self.letters)
        self.engine = Engine(self.searched, self.letters)
        self.receive = remembered(self._receive)
        self.asked = remembered(self._asked)
        self.follows = remembered(self.participants.follows)
        self.hear = remembered(self._hear)
        self.time = remembered(self._time)
        self.people = remembered(self._people)
        self.waiting = remembered(self._waiting)
        workers = Workers(self.participants, self.rows, self.worlds, leases=given.leases)
        self.work = remembered(workers.moves)
        self.wishes = remembered(self._wishes)
        self.findings = remembered(self._findings)

    def start(self) -> State:
        """The initiator has done the first step and told of it."""
        request = request_of(FIRST, Action.DO, mode=self.searched.mode)
        told = self.letters.of(Letter(request, self.searched.successes[FIRST]))
        kept = self.participants._kept(told)
        done = participants.StepRow(participants.Status.DONE, 1, kept, None, 1)
        rows = [done if step == FIRST else StepRow() for step in self.searched.steps]
        return State(
            rows=tuple(map(self.rows.of, rows)),
            world=self.worlds.of(frozenset()),
            saga=self.records.of(Record()),
            sent=frozenset([told]),
            may_park=self.configuration.parking,
        )

    def of(self, state: State) -> Iterator[Move]:
        """All moves."""
        for number in state.sent:
            yield from self._arrives(state, number)
        yield from self._outside(state)
        yield from self._workers(state)
        yield from self._engine_moves(state, self.time(state.saga), optional=False)
        yield from self._engine_moves(state, self.people(state.saga), optional=True)
        yield from self._people_who_know(state)

    # --- messages arrive

    def _may_read(self, state: State, reader: str, number: int) -> bool:
        return not self.configuration.sparing or (reader, number) not in state.read

    def _arrives(self, state: State, number: int) -> Iterator[Move]:
        """At the engine; at the service that is asked, by a command or by a neighbour's event."""
        told = self.letters[number].told
        if told and self._may_read(state, SAGA_ROW, number):
            yield from self._heard(state, number)
        asked = self.follows(number) if told else number
        if asked is None:
            return
        step = self.letters[asked].request.step
        if self._may_read(state, step, number):
            yield from self._asks(self._consumed(state, step, number), state, asked, told)

    def _asks(self, state: State, unread: State, number: int, by_event: bool) -> Iterator[Move]:
        """`unread` is the state before the message was read, where it stays if it has to wait."""
        letter = self.letters[number]
        if self.waits_behind(state, letter.request):
            if letter.request.action is not Action.DO:
                yield Move(str(letter), unread, complaint=WAITS_BEHIND_PARKED)
            return
        at = self.searched.steps.index(letter.request.step)
        optional = not by_event and not self.asked(state.saga, number)
        for change, row in self.receive(state.rows[at], number):
            yield self._received(state, number, at, change, row)._replace(optional=optional)
            if change.decision == "run" and state.may_park:
                yield self._parked(state, number)
        if by_event:
            return
        outside = letter.request.step in self.searched.outside
        if outside and letter.request.action is not Action.FENCE:  # a Fence is told no such thing
            yield from self._engine_moves(state, self.waiting(state.saga, number), optional=True)

    def _asked(self, number: int, letter: int) -> bool:
        """Whether the engine asks this now. Progress may not rely on a copy of what it does not."""
        saga, (request, message) = self.records[number].state, self.letters[letter]
        if saga is None or isinstance(message, RecordHappened):
            return False
        desk = [each.request(SAGA) for each in saga.detours.desk if not each.refused]
        return request in (saga.pending, *desk)

    def _receive(self, row: int, number: int) -> list[tuple[Change, int]]:
        before = self.rows[row]
        try:
            changes = self.participants.receive(before, number)
        except Exception as error:  # whatever it is: no reachable state may lead to one
            changes = [Change("fails", before, (), f"{type(error).__name__}: {error}")]
        return [(each, self.rows.of(each.row)) for each in changes]

    def _received(self, state: State, number: int, at: int, change: Change, row: int) -> Move:
        letter, before = self.letters[number], self.rows[state.rows[at]]
        now = self._with_row(state, at, row, change.told)
        refused = change.decision in batch.REFUSING
        parked = state.parked if refused else self.still_parked(state, letter.request)
        complaint = change.complaint or self._called_twice(state, at, change.row.call)
        if letter.request.mode is Mode.CHOREOGRAPHED and change.row == before and change.told:
            complaint = complaint or ANSWERED_AGAIN
        says = "".join(f", says {self.letters[each]}" for each in change.told)
        became = f"{before.status or 'absent'} -> {change.row.status}"
        text = f"{letter} arrives, {change.decision}: {became}{says}"
        return Move(text, now._replace(parked=parked), complaint=complaint)

    def _called_twice(self, state: State, at: int, wanted: OpenCall | None) -> str:
        """A request has one call, which the table of calls holds by a constraint."""
        open_call = self.rows[state.rows[at]].call
        if wanted is None or (open_call and wanted.request == open_call.request):
            return ""
        made = any(each.key == wanted.key for each in self.worlds[state.world])
        return "a call is wanted a second time under one key" if made else ""

    def _parked(self, state: State, number: int) -> Move:
        letter = self.letters[number]
        request = letter.request
        parked = (*state.parked, (request.step, request.generation))
        now = state._replace(parked=parked, may_park=False)
        return Move(f"{letter} is parked", now, optional=True)

    def waits_behind(self, state: State, request: Request) -> bool:
        parked = [_parked_request(*each) for each in state.parked]
        return dead_letters.waits_behind(parked, request)

    def still_parked(self, state: State, request: Request) -> tuple[tuple[str, int], ...]:
        return tuple(
            each
            for each in state.parked
            if not dead_letters.outcome_of(_parked_request(*each), request)
        )

    # --- the engine hears, is told the time and what people want

    def _heard(self, state: State, number: int) -> Iterator[Move]:
        if self._overtakes_start(state, number):
            return
        reading = self._consumed(state, SAGA_ROW, number)
        if step := self.hear(state.saga, number):
            yield self._decided(reading, f"the engine hears {self.letters[number]}", *step)
        elif reading is not state:
            yield Move(f"{self.letters[number]} matches nothing", reading)

    def _overtakes_start(self, state: State, number: int) -> bool:
        """What is told before the start is heard of waits for it (engine.overtakes_start)."""
        return self.records[state.saga].state is None and self.letters[number].request.step != FIRST

    def _hear(self, record: int, number: int) -> tuple[int, Step] | None:
        return self._numbered(lambda: self.engine.hear(self.records[record], number))

    def _numbered(self, decide: Callable[[], Step | None]) -> tuple[int, Step] | None:
        """A decision, with the number of its record. An error is a complaint."""
        try:
            step = decide()
        except Exception as error:  # whatever it is: no reachable state may lead to one
            return 0, Step(Record(), (), f"{type(error).__name__}: {error}")
        return step and (self.records.of(step.record), step)

    def _engine_moves(
        self, state: State, found: list[tuple[str, int, Step]], *, optional: bool
    ) -> Iterator[Move]:
        for text, record, step in found:
            yield self._decided(state, text, record, step, optional=optional)

    def _decided(
        self, state: State, text: str, record: int, step: Step, *, optional: bool = False
    ) -> Move:
        if step.complaint:
            return Move(text, state, complaint=step.complaint)
        now = self._told_anew(state._replace(saga=record), step.sent)
        says = "".join(f", sends {self.letters[each]}" for each in step.sent)
        return Move(text + says, now._replace(sent=now.sent.union(step.sent)), optional)

    def _said(self, record: int, options: dict[str, Said]) -> list[tuple[str, int, Step]]:
        found = []
        for text, said in options.items():
            step = self._numbered(lambda said=said: self.engine.say(self.records[record], said))  # type: ignore[misc]
            if step:
                found.append((text, *step))
        return found

    def _time(self, number: int) -> list[tuple[str, int, Step]]:
        return self._said(number, by_time(self.records[number]))

    def _waiting(self, record: int, number: int) -> list[tuple[str, int, Step]]:
        """A participant may always tell that its outside call takes longer."""
        answer = Answer(self.letters[number].request, LATER)
        return self._said(record, {f"StepWaits answers {self.letters[number]}": answer})

    def _people(self, number: int) -> list[tuple[str, int, Step]]:
        return self._said(number, by_people(self.records[number], self.configuration))

    def _people_who_know(self, state: State) -> Iterator[Move]:
        """The customer, whose wish has to be honoured; whoever has seen that a call happened."""
        record = self.records[state.saga]
        if record.state is None or record.state.ended:
            return
        if self.configuration.cancel and not record.state.detours.cancel_wished:
            yield self._wished(state, record)
        pending = record.state.pending if self.configuration.by_hand else None
        if pending and self._has_happened(state, pending):
            found = self.findings(state.saga, pending.step)
            yield from self._engine_moves(state, found, optional=True)

    def _wished(self, state: State, record: Record) -> Move:
        """A wish that came in time has to be honoured, whatever the saga makes of it."""
        in_time = state.wish_in_time or self._in_time(state, record)
        text, number, step = self.wishes(state.saga)
        move = self._decided(state, text, number, step, optional=True)
        now = move.state._replace(wished=True, wish_in_time=in_time)
        return move._replace(state=now)

    def _wishes(self, record: int) -> tuple[str, int, Step]:
        text = "the customer wishes to cancel"
        found = self._said(record, {text: Wish("no")})
        return found[0] if found else (text, record, Step(self.records[record], ()))

    def _findings(self, record: int, step: str) -> list[tuple[str, int, Step]]:
        said = RecordOutcome(step, "seen")
        return self._said(record, {f"an operator records that {step} happened": said})

    def _in_time(self, state: State, record: Record) -> bool:
        """Whether the pivot was never asked, or has refused: never certain where events drive."""
        assert record.state
        if self.configuration.by_events:
            return False
        asked = (CAPTURE, Action.DO)
        letters = [self.letters[each] for each in state.sent]
        sent = any((it.request.step, it.request.action) == asked for it in letters)
        return not sent or record.state.status is Status.AWAITING_DECISION

    def _has_happened(self, state: State, request: Request) -> bool:
        """What a person can see: the pivot's call outside. Of a step behind it, which calls nobody
        here though it might, a person may be mistaken: its service knows better."""
        if self.searched.kind(request.step) is RETRIABLE:
            return True
        return any(
            (each.step, each.gives_back, each.status) == (request.step, False, ACCEPTED)
            for each in self.worlds[state.world]
        )

    # --- outside

    def _outside(self, state: State) -> Iterator[Move]:
        """A call has its effect whenever it likes, once per key, whoever still waits for it."""
        world = self.worlds[state.world]
        for each in world:
            if each.status != IN_FLIGHT:
                continue
            for status in (ACCEPTED, DECLINED):
                if each.gives_back and status == DECLINED and not self.configuration.declines:
                    continue
                now = self.worlds.of(world - {each} | {each._replace(status=status)})
                call = "the giving back of" if each.gives_back else "the call of"
                text = f"{call} {each.step} is {status} outside ({each.key[-1]})"
                choice = status if each.gives_back else ""
                yield Move(text, state._replace(world=now), choice=choice)

    # --- workers

    def _workers(self, state: State) -> Iterator[Move]:
        for at, step in enumerate(self.searched.steps):
            if step in self.searched.outside:
                for work in self.work(state.rows[at], state.world, at):
                    now = self._with_row(state, at, work.row, work.told)
                    yield Move(work.text, now._replace(world=work.world), work.optional)

    # --- parts

    def _with_row(self, state: State, at: int, row: int, told: tuple[int, ...]) -> State:
        rows = (*state.rows[:at], row, *state.rows[at + 1 :])
        now = self._told_anew(state, told)
        return now._replace(rows=rows, sent=now.sent.union(told))

    def _consumed(self, state: State, reader: str, number: int) -> State:
        if not self.configuration.sparing:
            return state
        return state._replace(read=state.read | {(reader, number)})

    def _told_anew(self, state: State, sent: tuple[int, ...]) -> State:
        """What is sent again may be read again."""
        if not state.read or not sent:
            return state
        return state._replace(read=frozenset(it for it in state.read if it[1] not in sent))


def remembered(method: Callable[..., Any]) -> Callable[..., Any]:
    return lru_cache(maxsize=None)(method)


def _parked_request(step: str, generation: int) -> ParkedRequest:
    return ParkedRequest(AN_ID, SAGA, step, Action.DO, generation)
