"""The platform whose messages a test delivers by hand."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.conf import settings

from apps.contracts import headers as h
from apps.contracts.catalogue import ALERTS, EVENT_TOPICS
from apps.contracts.plan import Plan
from apps.messaging.database import Database
from apps.messaging.handling import Call
from apps.messaging.kafka import plain_topic
from apps.sagas.watchdog import MOST_SAGAS
from sagaplatform.env import CONTEXTS
from tests.kinds import Kind
from tests.reliability.by_hand.orders import open_big_shop, wish
from tests.reliability.simulation import laws
from tests.reliability.simulation.bus import Broker
from tests.reliability.simulation.clock import told_by
from tests.reliability.simulation.gateway import SimulatedGateway
from tests.reliability.simulation.harness import Owners, empty
from tests.reliability.simulation.machines import WorkerMachine
from tests.reliability.simulation.patches import attribute
from tests.reliability.simulation.people import live
from tests.reliability.simulation.shop import cancel, drive, post
from tests.reliability.simulation.simulation import Simulation

NEWS = (ALERTS, EVENT_TOPICS["sagas"])
SAGA_OF = "SELECT saga_id FROM orders_order WHERE id = %b"


class Said(NamedTuple):
    """A message of a saga, in the order in which they were told."""

    type: str
    step: str
    action: str


@dataclass
class Told:
    """What a saga has told so far, and what of it nobody gets yet."""

    said: list[Said]
    hold: int = 0  # the number, from 1 on, of the message that is held back; 0: none
    held: Callable[[], None] | None = None
    ids: list[str] = field(default_factory=list)  # of what was said; the relay may send one twice


class PostOffice(Broker):
    """Counts what the steps of each saga's plan are asked and tell, and holds back what it is
    bidden to. What others make of it, reactions and news about sagas, goes its way."""

    def start(self) -> None:
        self.told: dict[str, Told] = {}
        self.hold = 0  # the number of the message that is held back of each saga that begins

    def of(self, saga_id: UUID | str) -> Told:
        return self.told.setdefault(str(saga_id), Told([], self.hold))

    def write(self, topic: str, key: str, headers: Iterable[tuple[str, str]], value: bytes) -> None:
        names, write = dict(headers), super().write
        told = self.of(names[h.SAGA_ID])
        planned = names[h.STEP_ID] in Plan.from_header(names[h.PLAN]).steps
        if planned and plain_topic(topic) not in NEWS:
            if names[h.MESSAGE_ID] not in told.ids:
                told.ids.append(names[h.MESSAGE_ID])
                told.said.append(Said(names[h.TYPE], names[h.STEP_ID], names[h.ACTION]))
            if told.ids.index(names[h.MESSAGE_ID]) + 1 == told.hold:
                told.held = lambda: write(topic, key, headers, value)
                return
        write(topic, key, headers, value)

    def release(self, saga_id: UUID, *, hold: int = 0) -> None:
        """Let out what was held back of a saga, and hold back another message of it, or none."""
        told = self.of(saga_id)
        held, told.held, told.hold = told.held, None, hold
        if held:
            held()

    def holds(self, saga_id: UUID) -> str:
        """The type of what is held back of it."""
        told = self.of(saga_id)
        return told.said[told.hold - 1].type if told.held else ""


class Gateway(SimulatedGateway):
    """A gateway that says no where it is bidden to."""

    def start(self) -> None:
        self.declines: dict[str, str] = {}  # by subject: the operation

    def _may(self, call: Call) -> bool:
        return self.declines.get(call.subject) != call.operation and super()._may(call)


class Heard:
    """The ears of a watchdog for which no answer waits in Kafka."""

    def look(self) -> None: ...

    def has_passed(self, topic: str, moment: object) -> bool:
        return True


class ByHand(Simulation):
    """A platform in which nothing goes wrong by itself."""

    broker: PostOffice
    gateway: Gateway

    def __init__(self) -> None:
        super().__init__(seed=1, orders=1)
        self.chance.healed = True
        self.broker = PostOffice(self.chance, self.clock, self.trace)
        self.broker.witnesses.append(self.watcher.see)
        self.broker.start()
        self.gateway = Gateway(self.chance, self.clock, self.trace, self._meanwhile)
        self.gateway.start()
        self.orders: dict[UUID, tuple[int, UUID]] = {}  # by saga: the customer and the order

    @contextmanager
    def at_work(self, owners: Owners, *, percent: int, carrier: int = 0) -> Iterator["ByHand"]:
        """In here it works, events drive so many percent of its sagas, and the carrier comes so
        many seconds after the confirmation."""
        for alias in CONTEXTS:
            empty(alias, owners[alias])
        with ExitStack() as stack:
            stack.enter_context(told_by(self.clock))
            stack.enter_context(self.installed())
            stack.enter_context(attribute(settings, "HAND_OVER_AFTER", carrier))
            stack.enter_context(attribute(settings, "WATCHDOG_FEWEST_LATE", 1_000_000))
            random.seed(self.seed)
            for alias in CONTEXTS:
                self.clock.show(alias)
            open_big_shop()
            self.clock.show("orders")
            drive(percent)
            self._start()
            yield self

    def order(self, kind: Kind, key: str, *, hold: int = 0) -> UUID:
        """A customer sends an order; its saga, of which that message is held back, or none."""
        placed: list[UUID] = []
        self.broker.hold = hold
        self.act(self.web, f"order {key}", lambda: placed.append(post(wish(kind, key))))
        [(saga_id,)] = Database("orders").fetch(SAGA_OF, [placed[0]])
        self.broker.of(saga_id)
        self.broker.hold = 0
        self.orders[saga_id] = (kind.customer, placed[0])
        if kind.declined:
            self.gateway.declines[str(saga_id)] = kind.declined
        return UUID(str(saga_id))

    def wish(self, saga_id: UUID) -> str:
        """The customer wishes to cancel the order of a saga; what comes of it at once."""
        told: list[str] = []
        self.act(self.web, "a wish to cancel", lambda: told.append(cancel(*self.orders[saga_id])))
        return told[0]

    def undisturbed(self, kind: Kind) -> list[Said]:
        """What the saga of such an order tells where nobody is in its way."""
        saga_id = self.order(kind, f"{kind}: undisturbed")
        self.finish()
        return list(self.broker.of(saga_id).said)

    def work(self, machine: WorkerMachine) -> bool:
        """All calls that are due, one after the other."""
        calls = 0
        while super().work(machine):
            calls += 1
        return calls > 0

    @contextmanager
    def deaf(self, context: str) -> Iterator[None]:
        """In here a context's consumer gets nothing."""
        member = self.consumers[context].member
        member.pause(member.assignment())
        yield
        member.resume(member.assignment())

    def let_watch(self, seconds: float) -> None:
        """So much time passes, and the engine's watchdog looks at all that is late."""
        watch = self.watches[0]
        assert watch.alias == "sagas"
        watch.watchdog.ears = Heard()  # type: ignore[union-attr]
        self.clock.move(seconds)
        for _ in range(len(live()) // MOST_SAGAS + 1):
            self.watch(watch)

    def deliver(self, late: Mapping[UUID, bool]) -> None:
        """Deliver what is held back of these sagas; of those that are late when all else has come
        to rest."""
        for saga_id, is_late in late.items():
            if not is_late:
                self.broker.release(saga_id)
        self.drain()
        for saga_id in late:
            self.broker.release(saga_id)
        self.finish()

    def finish(self) -> None:
        """Everything comes to rest by itself, and adds up."""
        self._until(self._all_ended, "sagas end by themselves")
        self._until(lambda: not list(laws.unsettled(self.trace)), "all comes to rest")
        self.judge()
