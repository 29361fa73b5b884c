"""One run: it storms for a while, then all is well again, and then everything must add up."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple
from uuid import UUID

import django.db
import psycopg
from django.conf import settings
from uuid_utils.compat import uuid7

from apps.contracts.plan import Mode
from apps.messaging import (
    batch,
    consumer,
    failpoints,
    intents,
    kafka,
    relay,
    resting,
    tracing,
    waking,
)
from apps.messaging.batch import Batch
from apps.messaging.database import Database
from apps.messaging.retry import is_passing
from apps.payments import gateways
from apps.sagas.state import Driver
from sagaplatform.env import CONTEXTS
from tests.reliability.simulation import laws
from tests.reliability.simulation.bus import Broker, Producer
from tests.reliability.simulation.chance import Chance, Ids
from tests.reliability.simulation.clock import Clock
from tests.reliability.simulation.faults import Faults, SimulatedCrash
from tests.reliability.simulation.gateway import SimulatedGateway
from tests.reliability.simulation.machines import (
    ConsumerMachine,
    Machine,
    WatchMachine,
    WorkerMachine,
    new_member,
)
from tests.reliability.simulation.patches import attribute, everywhere
from tests.reliability.simulation.people import People, held_up, live
from tests.reliability.simulation.shop import (
    Wish,
    cancel,
    drive,
    open_shop,
    parcel,
    post,
    send_back,
    wishes,
)
from tests.reliability.simulation.trace import Log, Trace

LONGEST_WAIT = 400  # seconds: the longest wait for an answer, with its jitter
SWEEP = 6  # seconds after which a sweeper looks again
ROUNDS = 40  # of waiting, after the storm, for all to come to rest
MOST_TURNS = 300  # of all who have work, until none has
MOST_DEPTH = 2  # calls within calls that take too long
WEEKS = 15 * 24 * 3600  # seconds: so long no goods are awaited
SAGAS = "SELECT process, mode, driver, status, count(*) FROM sagas_saga GROUP BY 1, 2, 3, 4"
CONFIRMED = "SELECT id FROM orders_order WHERE status = 'confirmed'"
HANDED_OVER = "SELECT order_id FROM orders_orderevent WHERE type = 'ShipmentHandedOver'"
DECIDED = "SELECT status, count(*) FROM orders_cancellation GROUP BY 1"
RETURNED = "SELECT status, count(*) FROM orders_return GROUP BY 1"
AWAITED = "SELECT EXISTS (SELECT FROM orders_return WHERE status = 'announced')"


class Broken(Exception):
    """A law does not hold."""


class Kind(NamedTuple):
    """What sagas have in common."""

    process: str
    mode: str  # in which it began
    driver: str  # who has driven it to its end
    status: str

    @property
    def taken_over(self) -> bool:
        """Whether the engine took it over from the events that drove it."""
        return self.mode == Mode.CHOREOGRAPHED and self.driver == Driver.ENGINE


@dataclass
class Report:
    """What one run came to."""

    seed: int
    violation: str | None = None
    orders: int = 0
    steps: int = 0
    hours: float = 0.0  # by the simulated clock
    faults: Counter[str] = field(default_factory=Counter)
    sagas: Counter[Kind] = field(default_factory=Counter)
    wishes: Counter[str] = field(default_factory=Counter)  # to cancel: answered at once, decided
    returns: Counter[str] = field(default_factory=Counter)  # the same of announced goods
    logged: Counter[str] = field(default_factory=Counter)  # events of the code's own logs
    trace: list[str] = field(default_factory=list)


class Simulation:
    """The platform of one seed. `run` it once, in empty databases."""

    def __init__(self, seed: int, *, orders: int | None = None) -> None:
        self.seed = seed
        self.chance = Chance(seed)
        self.clock = Clock()
        self.trace = Trace(self.clock)
        self.ids = Ids(seed, self.clock)
        self.broker = Broker(self.chance, self.clock, self.trace)
        self.faults = Faults(self.chance)
        self.watcher = laws.Watcher(self.trace)
        self.broker.witnesses.append(self.watcher.see)
        self.gateway = SimulatedGateway(self.chance, self.clock, self.trace, self._meanwhile)
        self.people = People(self.chance, self.clock, self.trace, self.gateway)
        self.wishes = wishes(self.chance, orders or self._how_many())
        self.accepted: dict[str, UUID] = {}
        self.report = Report(seed, orders=len(self.wishes))
        self._depth = 0

    def _how_many(self) -> int:
        """Few orders in most runs, many in some."""
        return self.chance.one_of((1, 2, 3, 4, 5, 8), (2, 3, 4, 3, 2, 1))

    def run(self) -> Report:
        """Storm, heal, judge. What breaks a law stands in the report."""
        with self.installed():
            random.seed(self.seed)  # from which jitter comes
            for alias in CONTEXTS:
                self.clock.show(alias)
            open_shop()
            self.clock.show("orders")
            drive(self.chance.one_of((0, 50, 100), (1, 1, 2)))
            self._start()
            try:
                self.storm()
                self.heal()
                self.judge()
            except Broken as broken:
                self.report.violation = str(broken)
                self.trace.tell(f"BROKEN: {broken}")
            for *kind, count in Database("sagas").fetch(SAGAS):
                self.report.sagas[Kind(*kind)] = count
            self.report.wishes += Counter(dict(Database("orders").fetch(DECIDED)))
            self.report.returns += Counter(dict(Database("orders").fetch(RETURNED)))
        self.report.hours = self.clock.monotonic() / 3600
        self.report.faults = +self.chance.counts
        self.report.logged = self.trace.logged
        self.report.trace = self.trace.lines
        return self.report

    def _start(self) -> None:
        self.consumers = {name: ConsumerMachine(name) for name in CONTEXTS}
        self.workers = [
            WorkerMachine(name, context, self.clock)
            for name, context in (
                ("worker 1", "payments"),
                ("worker 2", "payments"),
                ("inventory worker", "inventory"),
            )
        ]
        self.watches = [
            WatchMachine(alias, self.broker) for alias in ("sagas", "orders", "shipping")
        ]
        self.web = Machine("web", "orders")
        self.desk = Machine("desk", "sagas")
        self.goods_in = Machine("goods in", "inventory")
        # Replays are sent by a process that has the context's database.
        self.replayers = {name: Machine(f"{name} replayer", name) for name in CONTEXTS}

    @property
    def machines(self) -> list[Machine]:
        return [
            *self.consumers.values(), *self.workers, *self.watches, self.web, self.desk,
            self.goods_in, *self.replayers.values(),
        ]  # fmt: skip

    # --- what is simulated

    @contextmanager
    def installed(self) -> Iterator[None]:
        """In here bus, clock, chance and gateway are simulated."""
        held = self.chance.one_of((2, settings.WATCHDOG_FEWEST_LATE), (1, 4))
        carrier = self.chance.one_of((0, 30, 300))
        with ExitStack() as stack:
            for original, stand_in in (
                (uuid7, self.ids),
                (failpoints.reach, self.faults.reach),
                (kafka.new_producer, lambda: Producer(self.broker)),
                (kafka.new_consumer, new_member(self.broker)),
                (waking.wake, lambda context: None),  # workers look by themselves
                (gateways.gateway, lambda: self.gateway),
                (batch.checked, self.faults.checked(batch.checked)),
            ):
                stack.enter_context(everywhere(original, stand_in))
            for owner, name, stand_in in (
                (consumer, "time", self.clock),
                (relay, "time", self.clock),
                (resting, "time", self.clock),
                (relay, "Postman", lambda office: Idle()),
                (Batch, "_hear", self.faults.hear(Batch._hear)),
                (Batch, "_write_notes", self.faults.write_notes(Batch._write_notes)),
                (settings, "WATCHDOG_FEWEST_LATE", held),
                (settings, "HAND_OVER_AFTER", carrier),
                (intents, "CLAIM", in_order(intents.CLAIM)),
                (intents, "HOLD_BACK", in_order(intents.HOLD_BACK)),
                *((module, "log", Log(self.trace)) for module in _logging()),
                (tracing, "secrets", self.ids),
            ):
                stack.enter_context(attribute(owner, name, stand_in))
            yield

    # --- steps

    def act(self, machine: Machine, text: str, work: Callable[[], object]) -> bool:
        """Let a process do something; whether it has lived through it. Every step is one."""
        self.report.steps += 1
        self.clock.move(self.chance.between(0.001, 0.02))
        self.clock.show(machine.alias)
        if text:
            self.trace.tell(f"{machine.name}: {text}")
        try:
            machine.run(work)
        except SimulatedCrash as crash:
            self.trace.tell(f"    {machine.name} dies at {crash}")
            machine.start()
            return False
        except (psycopg.Error, django.db.Error) as error:
            if not is_passing(error):
                raise self._broken([f"{machine.name} died of {error!r}"]) from error
            self.trace.tell(f"    {machine.name}: {error}")
            return False
        except Broken:
            raise
        except Exception as error:
            raise self._broken([f"{machine.name} died of {error!r}"]) from error
        finally:
            self.clock.show(machine.alias)
        self._hold(laws.broken_now(self.gateway, self.trace))
        self._hold(self.watcher.violations)
        self._hold(self.people.violations)
        return True

    def _hold(self, violations: Iterable[str]) -> None:
        if found := list(violations):
            raise self._broken(found)

    def _broken(self, found: list[str]) -> Broken:
        return Broken("; ".join(found[:5]))

    # --- the storm

    def storm(self) -> None:
        """Everything at once, for as long as orders come and some time longer."""
        self.left = list(self.wishes)
        longer = self.chance.one_of((0, 80))  # goods come back long after all orders have come
        for _ in range(64 * len(self.wishes) + 40 + longer):
            self._weather()
            self.chance.one_of(self._possible())()

    def _possible(self) -> list[Callable[[], object]]:
        """What can happen next; what is there more often happens more often."""
        readers = [each for each in self.consumers.values() if each.has_work]
        found: list[Callable[[], object]] = []
        found += [partial(self.read, each) for each in readers] * 3
        found += [partial(self.place, self.left)] * min(2, len(self.left))
        found += [partial(self.work, self.chance.one_of(self.workers))]
        found += [partial(self.watch, self.chance.one_of(self.watches)), self.attend_one]
        if not readers:
            found += [self.lull] * 3
        return found

    def _weather(self) -> None:
        fault, happens = self.chance.fault, self.chance.happens
        if fault("clock jumps"):
            self.pass_time(self.chance.one_of((5, 30, 70, 150, 400)))
        if fault("long jump"):
            self.pass_time(4000)
        if happens("operator"):
            self.act(self.desk, "somebody meddles", self.people.meddle)
        if happens("replay"):
            context = self.chance.one_of(CONTEXTS)
            self.act(self.replayers[context], "", partial(self.people.replay_one, context))
        if self.accepted and happens("wish to cancel"):
            self._cancel(self.chance.one_of(sorted(self.accepted)))
        if happens("regret") and (confirmed := self._known(CONFIRMED)):
            self._cancel(self.chance.one_of(confirmed))
        self._goods_back()
        if fault("outage"):
            self.gateway.be_silent(self.chance.between(20, 300))
        if fault("kill"):
            machine = self.chance.one_of(self.machines)
            self.trace.tell(f"{machine.name} is killed")
            machine.start()
        if fault("delay"):
            self.chance.one_of(list(self.consumers.values())).member.stall(30)
        if fault("partitions lost"):
            self.chance.one_of(list(self.consumers.values())).member.lose_partitions()

    def _goods_back(self) -> None:
        """Customers send something back, and people look into what comes; or nothing does."""
        happens = self.chance.happens
        if happens("goods back") and (sent := self._known(HANDED_OVER)):
            self._send_back(self.chance.one_of(sent))
        if happens("goods here"):
            self.act(self.goods_in, "", self.people.receive_one)
        if happens("goods late") and Database("orders").fetch(AWAITED)[0][0]:
            self.chance.counts["goods late"] += 1
            self.pass_time(WEEKS)

    def _send_back(self, key: str) -> None:
        """A customer announces that some of a confirmed order comes back."""
        [wish] = {each for each in self.wishes if each.key == key}
        what, told = parcel(self.chance, wish), list[str]()
        text = f"the customer sends {what} of {key} back"
        order_id = self.accepted[key]
        if self.act(self.web, text, lambda: told.append(send_back(wish.customer, order_id, what))):
            self.report.returns[told[0]] += 1

    def _known(self, which: str) -> list[str]:
        """The keys of the orders that their customers know to be confirmed, or handed over."""
        found = {order_id for (order_id,) in Database("orders").fetch(which)}
        return sorted(key for key, order_id in self.accepted.items() if order_id in found)

    def _cancel(self, key: str) -> None:
        """A customer wishes to cancel one of the orders that were accepted."""
        [customer] = {each.customer for each in self.wishes if each.key == key}
        told: list[str] = []
        text = f"the customer wishes to cancel {key}"
        order_id = self.accepted[key]
        if self.act(self.web, text, lambda: told.append(cancel(customer, order_id))):
            self.report.wishes[told[0]] += 1

    def pass_time(self, seconds: float) -> None:
        self.clock.move(seconds * self.chance.between(1, 1.1))
        self.trace.tell(f"{seconds} seconds pass")

    def read(self, machine: ConsumerMachine, limit: int = 0) -> None:
        limit = limit or self.chance.one_of((1, 2, 3, 5, 20))
        self.act(machine, "reads", partial(machine.turn, limit))

    def work(self, machine: WorkerMachine) -> bool:
        calls: list[bool] = []
        alive = self.act(machine, "", lambda: calls.append(machine.work_once()))
        return not alive or any(calls)

    def watch(self, machine: WatchMachine) -> None:
        self.act(machine, "looks", machine.turn)

    def attend_one(self) -> None:
        machine = self.chance.one_of(self.machines)
        self.act(machine, "", machine.attend)

    def lull(self) -> None:
        """Nobody has anything to read, and time passes: enough for every sweeper to look again."""
        self.pass_time(SWEEP)
        for each in self.consumers.values():
            self.act(each, "", each.attend)

    def place(self, left: list[Wish]) -> None:
        """A customer sends an order, and again where no answer came."""
        wish = left[0]
        told: list[UUID] = []
        text = f"order {wish.key} by {wish.method}"
        if self.act(self.web, text, lambda: told.append(post(wish))):
            left.pop(0)
            known = self.accepted.setdefault(wish.key, told[0])
            if known != told[0]:
                raise self._broken([f"I7: {wish.key} is order {known} and order {told[0]}"])
            if self.chance.fault("second post"):
                left.append(wish)

    def _meanwhile(self) -> None:
        """A call takes longer than its lease; others go on, another worker too."""
        if self._depth >= MOST_DEPTH:
            return
        self._depth += 1
        self.pass_time(60)
        for _ in range(1 + self.chance.below(6)):
            self.chance.one_of(self._possible())()
        self._depth -= 1
        self.clock.show("payments")

    # --- afterwards

    def heal(self) -> None:
        """Nothing goes wrong any more. All comes to rest by itself; only goods that are awaited,
        what the gateway refused for good and what no engine sends again need people."""
        self.chance.healed = True
        self.trace.tell("ALL IS WELL AGAIN")
        for each in self.consumers.values():
            each.member.heal()
        while self.left:
            self.place(self.left)
        self._until(self._all_ended, "sagas end by themselves")
        self._until(self._all_settled, "all comes to rest with people's help")

    def _until(self, done: Callable[[], bool], what: str) -> None:
        for _ in range(ROUNDS):
            self.drain()
            if done():
                return
            self.pass_time(LONGEST_WAIT)
            for each in self.watches:
                self.watch(each)
        raise self._broken([f"never: {what}", *laws.unsettled(self.trace)])

    def _all_ended(self) -> bool:
        received: list[int] = []
        self.act(self.goods_in, "", lambda: received.append(self.people.receive_all()))
        if any(received):
            self.drain()
        self.clock.show("sagas")
        behind = held_up()
        return all(each.waits_for_a_person or each.saga_id in behind for each in live())

    def _all_settled(self) -> bool:
        moved: list[int] = []
        self.act(self.desk, "", lambda: moved.append(self.people.clear_desk()))
        for context, machine in self.replayers.items():
            self.act(machine, "", lambda c=context: moved.append(self.people.replay_all(c)))  # type: ignore[misc]
        if any(moved):
            self.drain()
        return not list(laws.unsettled(self.trace))

    def drain(self) -> None:
        """Until there is nothing to read, to call and to send."""
        for _ in range(MOST_TURNS):
            readers = [each for each in self.consumers.values() if each.has_work]
            for each in readers:
                self.read(each, 100)
            busy = [self.work(each) for each in (self.workers[0], self.workers[-1])]
            if not readers and not any(busy) and not self._post() and not self._sweep():
                return
        raise self._broken(["never: all messages are sent and read"])

    def _post(self) -> bool:
        """Whether somebody's letters were still to be sent or taken out of the outbox."""
        found = [each for each in self.machines if each.has_post]
        for machine in found:
            self.act(machine, "", machine.attend)
        return bool(found)

    def _sweep(self) -> bool:
        """Whether something was still in an outbox, and is sent now."""
        waiting = [name for name in CONTEXTS if _has_rows(f"{name}_outboxmessage", name)]
        if waiting:
            self.clock.move(SWEEP)
            for name in waiting:
                self.act(self.consumers[name], "", self.consumers[name].attend)
        return bool(waiting)

    def judge(self) -> None:
        """All is at rest."""
        for alias in CONTEXTS:
            self.clock.show(alias)
        self._hold(laws.unsettled(self.trace))
        for context in CONTEXTS:
            self._hold(laws.odd_errors(context, self.trace))
        self._hold(laws.broken_at_rest(self.gateway, self.people.substituted, self.trace))


class Idle:
    """What stands for a postman: the simulation attends to relays by itself."""

    def start(self) -> None: ...


def in_order(statement: str) -> str:
    """Which of the calls that are due for equally long come first is the plan's affair; here it is
    the seed's."""
    assert "ORDER BY due_at LIMIT" in statement
    return statement.replace("ORDER BY due_at LIMIT", "ORDER BY due_at, id LIMIT")


def _has_rows(table: str, alias: str) -> bool:
    return bool(Database(alias).fetch(f"SELECT EXISTS (SELECT FROM {table})")[0][0])


def _logging() -> list[object]:
    from apps.messaging import calls, dispatching
    from apps.orders import watchdog as starts
    from apps.sagas import watchdog

    return [consumer, relay, calls, dispatching, starts, watchdog]
