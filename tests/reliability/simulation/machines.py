"""The processes of the platform: each has its own relay and producer, and can die."""

from collections.abc import Callable
from typing import Protocol

from apps.messaging import calls, relay
from apps.messaging.consumer import ContextConsumer
from apps.messaging.dispatching import Dispatcher
from apps.messaging.intents import Claimed
from apps.messaging.outages import Heard
from apps.messaging.wiring import wiring
from apps.orders import watchdog as starts
from apps.sagas import watchdog as sagas
from apps.shipping import watchdog as parcels
from tests.reliability.simulation.bus import Broker, Committed, Consumer, Ears
from tests.reliability.simulation.clock import Clock
from tests.reliability.simulation.patches import attribute


class Process(Protocol):
    """Something that runs, over one database."""

    name: str
    alias: str

    def start(self) -> None: ...


class Machine:
    """A process: what it holds in memory is gone when it starts anew."""

    def __init__(self, name: str, alias: str, begin: Callable[[], None] = lambda: None) -> None:
        self.name, self.alias = name, alias
        self._begin = begin
        self.start()

    def start(self) -> None:
        self._kafka = relay._Process()
        self.run(self._begin)

    def run(self, work: Callable[[], object]) -> None:
        """Do something as this process."""
        with attribute(relay, "_process", self._kafka):
            work()

    @property
    def has_post(self) -> bool:
        """Whether it knows of letters that the outbox need not keep."""
        return any(each._acknowledged for each in self._kafka.relays.values())

    def attend(self) -> None:
        """What its loop, or its postman, does between two pieces of work."""
        relay.relay(self.alias).attend()


class ConsumerMachine(Machine):
    """The shipped consumer of a context, on the simulated bus."""

    consumer: ContextConsumer

    def __init__(self, context: str) -> None:
        super().__init__(f"{context} consumer", context, self._open)

    def _open(self) -> None:
        self.consumer = ContextConsumer(self.alias)
        self.consumer.open()

    @property
    def member(self) -> Consumer:
        return self.consumer.consumer  # type: ignore[return-value]  # the simulated one

    @property
    def has_work(self) -> bool:
        """Whether there is something to read, or offsets to commit."""
        return bool(self.member.waiting() or self.consumer._positions or self.member.refused)

    def turn(self, limit: int) -> None:
        """Read and carry out a batch of at most so many messages."""
        self.member.limit = limit
        self.consumer.turn()


class WorkerMachine(Machine):
    """The shipped dispatcher of a context. What it claims in one turn it calls one after the other:
    while others go on, leases run out, and at its death all that it has in hand is left."""

    dispatcher: Dispatcher

    def __init__(self, name: str, alias: str, clock: Clock) -> None:
        self.clock = clock
        super().__init__(name, alias, self._open)

    def _open(self) -> None:
        self.dispatcher = Dispatcher(self.alias, self._carry_out, self.clock.monotonic)
        self.dispatcher._pool = AtOnce()  # type: ignore[assignment]

    def work_once(self) -> bool:
        """Make the calls that may be made now, or hold them back; whether there were some."""
        return self.dispatcher._turn() > 0

    def _carry_out(self, context: str, claimed: Claimed) -> Heard:
        heard = calls.carry_out(context, claimed)
        self.attend()
        return heard


class AtOnce:
    """What stands for the dispatcher's threads."""

    def submit(self, work: Callable[..., None], *given: object) -> None:
        work(*given)


OF_OTHERS = {"orders": starts.Watchdog, "shipping": parcels.Watchdog}


class WatchMachine(Machine):
    """The watchdogs, as `run_watchdog` has them, one alias each."""

    watchdog: sagas.Watchdog | starts.Watchdog | parcels.Watchdog

    def __init__(self, alias: str, broker: Broker) -> None:
        self.broker = broker
        super().__init__(f"{alias} watchdog", alias, self._open)

    def _open(self) -> None:
        if self.alias == "sagas":
            self.watchdog = sagas.Watchdog(Ears(self.broker, "sagas", wiring("sagas").topics))
        else:
            self.watchdog = OF_OTHERS[self.alias]()

    def turn(self) -> None:
        self.watchdog.turn()
        self.attend()


def new_member(broker: Broker) -> Callable[[str, Committed], Consumer]:
    """What stands for `kafka.new_consumer`."""
    return lambda context, on_commit: Consumer(broker, context, on_commit)
