"""Runs cases: a process dies at its failpoint, is started again, and everything must add up."""

import itertools
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Protocol, Self
from uuid import UUID, uuid4

import psycopg
from django.test import override_settings

from apps.contracts.catalogue import Action
from apps.messaging.kafka import admin_client, topic_name
from apps.messaging.topics import create_topics, own_topics
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from sagaplatform.env import CONTEXTS
from tests.conftest import empty
from tests.reliability.crash.points import (
    CLAIMED,
    ONCE,
    STARTED,
    TAKEN_OVER,
    WATCHDOG,
    Case,
    Job,
    Role,
    Scenario,
    Time,
    rounds,
)
from tests.reliability.crash.stage import CONSUMERS, WORKERS, Stage
from tests.reliability.crash.way import ENGINE, Asked

DECIDER = Role(Job.CONSUMER, ENGINE)
PATIENCE_SECONDS = 60
AT_ONCE = Patience(moment=timedelta(0), second_look=1.0)
PARTITIONS = 2
LETTERS = "SELECT count(*) FROM {context}_deadletter"
OPEN_CASES = "SELECT count(*) FROM sagas_case WHERE closed_at IS NULL"
SAGAS = "SELECT saga_id, process, status, driver FROM sagas_saga ORDER BY saga_id"
HISTORY = "SELECT step, action, outcome FROM sagas_sagastep WHERE saga_id = %s ORDER BY revision"
ENDED = "SELECT count(*) FROM sagas_saga WHERE ended_at IS NOT NULL"
REVISION = "SELECT coalesce(max(revision), 0) FROM sagas_saga WHERE ended_at IS NULL"

# What is waited for has been due since yesterday.
LATE = "UPDATE sagas_saga SET due_at = due_at - interval '1 day' WHERE ended_at IS NULL"

# And the whole saga should have ended.
OVER = "UPDATE sagas_saga SET deadline_at = deadline_at - interval '1 day' WHERE ended_at IS NULL"


class World(Protocol):
    """Where the sagas of a definition live; scenarios.Shop is one."""

    environment: Mapping[str, str]  # for all processes

    def open(self) -> None: ...
    def close(self) -> None: ...
    def filled_in(self, settings: Mapping[str, str]) -> dict[str, str]: ...
    def meet(self, scenario: Scenario, sagas: int) -> None: ...
    def lose_start(self) -> None: ...
    def wish(self) -> None: ...
    def send_carrier(self) -> None: ...
    def unanswered(self) -> int: ...
    def answer(self) -> None: ...
    def under_way(self, sagas: int) -> list[str]: ...
    def faults(self) -> Iterable[str]: ...


class Result(NamedTuple):
    """What came of one case."""

    scenario: Scenario
    case: Case | None  # None: nobody died
    reached: bool
    faults: tuple[str, ...]

    @property
    def outcome(self) -> str:
        if not self.reached:
            return "not reached"
        return "wrong" if self.faults else "as without a crash"

    def __str__(self) -> str:
        return f"{self.scenario}: {self.case}: {self.outcome}; {'; '.join(self.faults)}"


class Lost(Exception):
    """Nothing moves any more, and something has not ended."""


class Kit:
    """Sagas on a stage of real processes. What was found broken is thrown away with its stage."""

    def __init__(
        self,
        owners: dict[str, psycopg.Connection],
        folder: Path,
        world: Callable[[dict[str, psycopg.Connection], Path], World],
        planted: Mapping[Role, str] | None = None,
        tell: Callable[[str], object] = lambda words: None,
    ) -> None:
        self.owners, self.folder, self.new_world = owners, folder, world
        self.planted = planted or {}
        self.tell = tell
        self.spent = (folder / f"spent-{number}" for number in itertools.count())
        self._opened = ExitStack()
        self.stage: Stage | None = None
        self.settings: dict[str, str] = {}  # of its processes
        self._carries = {
            Time.ENOUGH: self._in_time,
            Time.LATE: self._late,
            Time.OVER: self._late,
            Time.WISHED: self._late,
            Time.LOST: self._lost,
            Time.CARRIER: self._carrier,
            Time.ANSWERED: self._answered,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, scenario: Scenario, cases: Sequence[Case]) -> list[Result]:
        """All of these, several in one go where each can have its own process."""
        return [each for group in rounds(cases) for each in self._round(scenario, group)]

    def without_a_crash(self, scenario: Scenario) -> Result:
        """The same saga, and nobody dies."""
        return Result(scenario, None, True, tuple(self._faults(scenario, [])))

    # --- a stage

    def open(self, more: Mapping[str, str]) -> Stage:
        """Empty databases, topics of its own, and all processes but the watchdog, with `more`
        settings than the usual ones."""
        if self.stage and self.settings == more:
            return self.stage
        self.close()
        prefix = f"crash-{uuid4().hex[:8]}."
        topics = override_settings(KAFKA_TOPIC_PREFIX=prefix, KAFKA_PARTITIONS=PARTITIONS)
        self._opened.enter_context(topics)
        for owner in self.owners.values():
            empty(owner)
        create_topics(admin_client())
        self._opened.callback(remove_topics)
        self.world = self.new_world(self.owners, self.folder)
        self._opened.callback(self.world.close)
        self.world.open()
        self.settings = dict(more)
        self.begun = 0
        self.known: set[UUID] = set()
        environment = self.world.environment
        settings = self.world.filled_in(more)
        self.stage = Stage(self.owners, self.folder, environment, settings, self.planted)
        self._opened.callback(self.stage.close)
        for role in (*CONSUMERS, *WORKERS):
            self.stage.start(role)
        return self.stage

    def close(self) -> None:
        """End the processes and remove the topics."""
        self.stage = None
        self._opened.close()

    # --- rounds

    def _round(self, scenario: Scenario, group: list[Case]) -> list[Result]:
        """One death each. Where something is wrong, each by itself, to see whose it is; if it is
        nobody's alone it is everybody's."""
        spent = {case: next(self.spent) for case in group}
        faults = tuple(self._faults(scenario, [(case, spent[case]) for case in group]))
        together = [Result(scenario, case, spent[case].exists(), faults) for case in group]
        if not faults:
            return together
        self.tell(f"{scenario}: {'; '.join(map(str, group))}: {'; '.join(faults)}")
        self.close()
        if len(group) == 1:
            return together
        alone = [each for case in group for each in self._round(scenario, [case])]
        return alone if any(each.faults for each in alone) else together

    def _faults(self, scenario: Scenario, dying: list[tuple[Case, Path]]) -> Iterator[str]:
        """Have them die, wait until all has ended; what is wrong then, in words."""
        stage = self.open(dict(scenario.settings))
        sagas = max(1, len(dying))
        self.begun += sagas * (2 if scenario.before else 1)
        watch = Watch(stage, self.world, self.begun)
        carry = self._carries[scenario.time] if dying else self._in_time
        self.world.meet(scenario, sagas)
        try:
            carry(scenario, dying, watch)
            watch.until_ended()
        except Lost as lost:
            yield str(lost)
        yield from watch.faults
        yield from self._wrong_ends(scenario, dying)
        yield from left_behind(stage)
        yield from unlawful(self.world)

    def _in_time(self, scenario: Scenario, dying: list[tuple[Case, Path]], watch: "Watch") -> None:
        """As many sagas as there are cases, all processes armed from the start."""
        sagas = max(1, len(dying))
        if scenario.before:
            self._let_end(scenario.before, sagas, watch)
        elsewhere = [each for each in dying if each[0].role.job is Job.INITIATOR]
        watch.stage.kill(*(case.role for case, _ in dying))
        for case, spent in (each for each in dying if each not in elsewhere):
            self._arm(case.role, case.failpoint, case.asked, spent, scenario)
        for _ in range(sagas - len(elsewhere)):
            scenario.begin()
        for case, spent in elsewhere:
            self._arm(case.role, case.failpoint, case.asked, spent, scenario)

    def _answered(self, scenario: Scenario, dying: list[tuple[Case, Path]], watch: "Watch") -> None:
        """All sagas wait for people; then the processes are armed, and the people answer."""
        sagas = max(1, len(dying))
        if scenario.before:
            self._let_end(scenario.before, sagas, watch)
        for _ in range(sagas):
            scenario.begin()
        stage = watch.stage
        watch.until(
            lambda: self.world.unanswered() == sagas and stage.at_rest(), "people to be asked"
        )
        stage.kill(*(case.role for case, _ in dying))
        for case, spent in dying:
            self._arm(case.role, case.failpoint, case.asked, spent, scenario)

    def _late(self, scenario: Scenario, dying: list[tuple[Case, Path]], watch: "Watch") -> None:
        """Somebody dies and stays dead, so that a saga waits; meanwhile the watchdog finds it late,
        or its customer wishes to cancel it. Who dies of that is started again."""
        [(case, spent)] = dying
        stage, absent = watch.stage, self._begin_without(scenario, case, spent, watch)
        if case.role not in (absent, WATCHDOG) and case.role.job not in ONCE:
            stage.kill(case.role)
            self._arm(case.role, case.failpoint, case.asked, spent, scenario)
        revision = stage.count(ENGINE, REVISION)
        carry = self._wish if scenario.time is Time.WISHED else self._watch
        carry(scenario, case, spent, watch)
        watch.until(
            lambda: bool(stage.dead()) or stage.count(ENGINE, REVISION) > revision,
            "the engine to act",
        )
        watch.look()
        if scenario.time is Time.WISHED and DECIDER in stage.dead():
            # Else who is late may answer before the wish is heard again and what it led to is sent,
            # or after: that is chance.
            watch.until_dead(DECIDER)
            stage.start(DECIDER)
            watch.until(
                lambda: stage.count(ENGINE, REVISION) > revision and stage.at_rest(),
                "the wish to be heard",
            )
        if case.role == absent and not spent.exists():
            self._arm(case.role, case.failpoint, case.asked, spent, scenario)
        else:
            stage.start(absent)
        watch.until_ended()
        stage.kill(WATCHDOG)

    def _watch(self, scenario: Scenario, case: Case, spent: Path, watch: "Watch") -> None:
        """The watchdog finds the saga late; perhaps it dies of that first."""
        watch.stage.tell(ENGINE, LATE)
        if scenario.time is Time.OVER:
            watch.stage.tell(ENGINE, OVER)
        if case.role == WATCHDOG:
            self._watchdog_dies(scenario, case, spent, watch)
        else:
            watch.stage.start(WATCHDOG)

    def _wish(self, scenario: Scenario, case: Case, spent: Path, watch: "Watch") -> None:
        """The customer wishes to cancel; perhaps the process that takes the wish dies of that."""
        if case.role.job is Job.CUSTOMER:
            self._arm(case.role, case.failpoint, case.asked, spent, scenario)
            watch.until_dead(case.role)
        else:
            self.world.wish()

    def _lost(self, scenario: Scenario, dying: list[tuple[Case, Path]], watch: "Watch") -> None:
        """Nobody hears of a start; the watchdog dies while it tells it again."""
        [(case, spent)] = dying
        stage, initiator = watch.stage, Role(Job.INITIATOR, scenario.way.owner)
        if scenario.before:
            self._let_end(scenario.before, 1, watch)
        self._arm(initiator, STARTED, case.asked, next(self.spent), scenario)
        watch.until(lambda: initiator in stage.dead(), "the start to be committed")
        self.world.lose_start()
        watch.until_dead(initiator)
        self._watchdog_dies(scenario, case, spent, watch)
        watch.until_ended()
        stage.kill(WATCHDOG)

    def _carrier(self, scenario: Scenario, dying: list[tuple[Case, Path]], watch: "Watch") -> None:
        """A parcel waits for its carrier; the watchdog dies while it gives it away."""
        [(case, spent)] = dying
        self._let_end(scenario.begin, 1, watch)
        self.world.send_carrier()
        self._watchdog_dies(scenario, case, spent, watch)
        watch.until_ended()
        watch.stage.kill(WATCHDOG)

    def _watchdog_dies(self, scenario: Scenario, case: Case, spent: Path, watch: "Watch") -> None:
        """It finds what is due, dies of that, and comes again when the others are at rest."""
        self._arm(WATCHDOG, case.failpoint, case.asked, spent, scenario)
        watch.until_dead(WATCHDOG)
        watch.look()
        watch.stage.start(WATCHDOG)

    def _let_end(self, begin: Callable[[], object], sagas: int, watch: "Watch") -> None:
        """Begin so many sagas, and wait until they have ended."""
        stage = watch.stage
        before = stage.count(ENGINE, ENDED)
        for _ in range(sagas):
            begin()
        watch.until(
            lambda: stage.count(ENGINE, ENDED) == before + sagas and stage.at_rest(),
            "what comes before to end",
        )

    def _begin_without(self, scenario: Scenario, case: Case, spent: Path, watch: "Watch") -> Role:
        """Begin a saga; who has died in the middle of it, and does not do what is late."""
        absent, failpoint, asked = missing(scenario, case)
        if not dies_in_its_call(case):
            spent = next(self.spent)
        watch.stage.kill(absent)
        self._arm(absent, failpoint, asked, spent, scenario)
        scenario.begin()
        watch.until_dead(absent)
        watch.look()
        return absent

    def _arm(
        self, role: Role, failpoint: str, asked: Asked, spent: Path, scenario: Scenario
    ) -> None:
        assert self.stage
        dying = f"{failpoint}@{asked.step}@{asked.action}"
        self.stage.start(role, dying, str(spent), scenario=scenario)

    # --- what must hold

    def _wrong_ends(self, scenario: Scenario, dying: list[tuple[Case, Path]]) -> Iterator[str]:
        """Each saga of this round has ended as it does without a crash."""
        late = next((case.late for case, _ in dying), None)
        if late:
            scenario = scenario.as_it_ends(dying[0][0])
        for saga_id, process, status, driver in self.owners[ENGINE].execute(SAGAS).fetchall():
            is_new = saga_id not in self.known
            self.known.add(saga_id)
            if not is_new or process != scenario.way.process.name:
                continue
            told = self.owners[ENGINE].execute(HISTORY, [saga_id]).fetchall()
            yield from wrong_end(scenario, late, status, driver, told)


class Watch:
    """Waits for what happens on a stage to so many sagas, and starts again what died."""

    def __init__(self, stage: Stage, world: World, sagas: int) -> None:
        self.stage, self.world, self.sagas = stage, world, sagas
        self.faults: list[str] = []

    def until_ended(self) -> None:
        """Until all has ended and nothing is left to do; what dies meanwhile is started again, and
        people who are asked answer."""
        self.until(lambda: self._revive() and self._all_ended(), "all to end")

    def until_dead(self, role: Role) -> None:
        """Until this one has died. It is buried and stays away."""
        self.until(lambda: role in self.stage.dead(), f"{role} to die")
        self._bury(role)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Raises Lost where nothing moves any more, or nothing comes of it."""
        give_up, still = time.monotonic() + PATIENCE_SECONDS, 0
        while not condition():
            moves = WATCHDOG in self.stage.running or not self.stage.at_rest()
            still = 0 if moves or self.stage.dead() else still + 1
            if still > 3 or time.monotonic() > give_up:
                raise Lost(f"no use in waiting for {what}: {self._under_way()}")
            time.sleep(0.05)

    def look(self) -> None:
        """What the living make of it meanwhile must be lawful too. Who dies is not waited for."""
        self.until(lambda: bool(self.stage.dead()) or self.stage.at_rest(), "the others to rest")
        self.faults += [f"while one was dead, {each}" for each in unlawful(self.world)]

    def _all_ended(self) -> bool:
        if self.world.unanswered() and self.stage.at_rest():
            self.world.answer()
        return (
            not self.world.under_way(self.sagas) and self.stage.at_rest() and not self.stage.dead()
        )

    def _under_way(self) -> list[str]:
        """Why it has not ended, in words."""
        busy = [str(each) for each in (*CONSUMERS, *WORKERS) if self.stage.is_busy(each)]
        deaf = [str(each) for each in CONSUMERS if not self.stage.heard_all(each)]
        running = [str(each) for each in self.stage.running if each not in (*CONSUMERS, *WORKERS)]
        return [*self.world.under_way(self.sagas), f"busy {busy}, deaf {deaf}, running {running}"]

    def _revive(self) -> bool:
        """Start again what died, when the others have come to rest without it."""
        dead: list[Role] = []
        while new := self.stage.dead():
            for role in new:
                self._bury(role)
            dead += new
            self.until(lambda: bool(self.stage.dead()) or self.stage.at_rest(), "rest")
        if dead:
            self.faults += [f"while one was dead, {each}" for each in unlawful(self.world)]
        for role in dead:
            if role.job not in ONCE:
                self.stage.start(role)
        return True

    def _bury(self, role: Role) -> None:
        status = self.stage.bury(role)
        if status != -signal.SIGKILL and (role.job not in ONCE or status):
            self.faults.append(f"{role} ended by itself: {self.stage.log_end(role)}")


def missing(scenario: Scenario, case: Case) -> tuple[Role, str, Asked]:
    """Who does not do what is late, and where it has died: the worker whose turn it is to die in
    the middle of its call; the engine, when it has committed a command, so that this got lost; or
    whoever should do it, be it by event or by command, where something is to come of that."""
    late, way = case.late, scenario.way
    assert late
    if dies_in_its_call(case):
        return case.role, case.failpoint, late
    if case.role == WATCHDOG and not way.by_events:
        return DECIDER, "batch.after_commit", way.before(late)
    if context := way.outside(late):
        return Role(Job.WORKER, context), CLAIMED, late
    return Role(Job.CONSUMER, way.context(late)), "batch.before_commit", late


def dies_in_its_call(case: Case) -> bool:
    """Whether its very death is what makes a saga wait."""
    return case.role.job is Job.WORKER and case.asked == case.late


def wrong_end(
    scenario: Scenario, late: Asked | None, status: str, driver: str, told: list[tuple[str, ...]]
) -> Iterator[str]:
    """What is not as it should be of a saga that has ended. Events are heard in any order."""
    answers, perhaps = scenario.answers(late), scenario.perhaps(late)
    by_events = scenario.way.by_events
    undone = any(each.action is Action.UNDO for each in answers)
    if status != ("undone" if undone else "confirmed"):
        yield f"a saga is {status}"
    taken_over = late and scenario.time in TAKEN_OVER
    if driver != ("events" if by_events and not taken_over else "engine"):
        yield f"a saga is driven by {driver}"
    heard = [Asked(step, Action(action)) for step, action, _ in told]
    certain = [each for each in heard if each not in perhaps]
    in_order = sorted if by_events else list
    if in_order(certain) != in_order(answers):
        yield f"a saga was told {told}"
    for each, (*_, outcome) in zip(heard, told, strict=True):
        if outcome not in outcomes(scenario, each, answers):
            yield f"{each.step} was told {outcome} to {each.action}"


def outcomes(scenario: Scenario, asked: Asked, answers: Sequence[Asked]) -> set[str]:
    """What may be answered. To the undoing of what was late: perhaps nothing had happened."""
    step, refused = asked.step, scenario.way.refused
    if asked.action is Action.DO:
        return {"refused" if step == refused else "done"}
    if asked.action is Action.FENCE:
        return {"fenced" if any(each.action is Action.UNDO for each in answers) else "happened"}
    if step == refused:
        return {"nothing_to_undo"}
    return {"undone"} if Asked(step, Action.DO) in answers else {"undone", "nothing_to_undo"}


def left_behind(stage: Stage) -> Iterator[str]:
    """Dead letters, open calls and messages that nobody has sent, in any context."""
    for context in CONTEXTS:
        if count := stage.count(context, LETTERS):
            yield f"{count} messages of {context} are parked"
    for role in (*CONSUMERS, *WORKERS):
        if stage.is_busy(role):
            yield f"{role} has something left to do"
    if count := stage.count(ENGINE, OPEN_CASES):
        yield f"{count} cases are open"


def unlawful(world: World) -> Iterator[str]:
    """Which laws are broken, in words."""
    for verdict in prove(AT_ONCE).verdicts:
        yield from (f"{verdict.law.id}: {subject} {text}" for subject, text in verdict.faults)
    yield from world.faults()


def remove_topics() -> None:
    """The topics of this stage; nobody else reads them."""
    client = admin_client()  # must live until the answers are there
    for future in client.delete_topics([topic_name(each) for each in own_topics()]).values():
        future.result(30)
