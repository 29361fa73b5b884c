"""All chance comes from one seed, and each fault is counted.

A run has a climate: every kind of fault is absent in some runs and frequent in others, so that one
kind does not hide behind another ("swarm testing", Groce et al., 2012).
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from tests.reliability.simulation.clock import EPOCH, Clock

Thing = TypeVar("Thing")

# How often each fault happens in a middling climate, each time that it could.
FAULTS = {
    # on the bus
    "duplicate": 0.05,  # a message is written twice
    "reorder": 0.08,  # a message goes to another partition than those before it
    "delay": 0.05,  # a partition gives nothing for some seconds
    "loss": 0.05,  # a message is lost before the broker has it
    "unreported": 0.04,  # the broker has a message, and its report is lost
    "queue full": 0.02,  # the producer takes no more
    "offsets lost": 0.05,  # a commit of offsets does not arrive
    "partitions lost": 0.01,  # a consumer loses its partitions
    # in processes and databases
    "crash": 0.03,  # at a failpoint
    "kill": 0.015,  # of a process that does nothing just now
    "database away": 0.01,  # before a commit
    "commit unknown": 0.01,  # the commit happens, its answer is lost
    "bug": 0.03,  # a handler fails for some time
    "bad row": 0.01,  # a message makes a whole batch fail in the database, for some time
    "deaf": 0.02,  # a listener fails for some time
    # outside
    "declined": 0.15,
    "refused undo": 0.3,
    "silence": 0.1,  # nothing reached the gateway
    "outage": 0.005,  # and nothing does for minutes
    "lost answer": 0.1,  # it took effect, and nobody heard
    "waits": 0.06,
    "slow there": 0.06,  # the lease runs out before the call arrives
    "slow back": 0.06,  # the lease runs out before the answer arrives
    # time and people
    "clock jumps": 0.03,
    "long jump": 0.004,  # past the deadline of all that lives
    "operator": 0.04,
    "replay": 0.1,  # of a parked message
    "wish to cancel": 0.01,  # a customer's, whatever became of the order
    "regret": 0.03,  # a wish to cancel what is confirmed
    "second post": 0.1,  # the customer sends the same order again
    "goods back": 0.1,  # a customer announces that some of what is confirmed comes back
    "goods here": 0.15,  # a person says what of a return has arrived
    "goods late": 0.005,  # weeks pass, so that what is awaited is late
}
CLIMATES = (0.0, 0.5, 1.0, 3.0)


class Chance:
    """What happens next, and what goes wrong."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"{seed}")
        self.rates = {name: rate * self._random.choice(CLIMATES) for name, rate in FAULTS.items()}
        self.counts: Counter[str] = Counter()
        self.healed = False

    def fault(self, name: str, detail: str = "") -> bool:
        """Whether this goes wrong now, and is counted. Nothing does once the world is healed."""
        happens = self.happens(name)
        self.counts[f"{name} {detail}".strip()] += happens
        return happens

    def happens(self, name: str) -> bool:
        """The same for what may come to nothing, and is counted where it does not."""
        return not self.healed and self._random.random() < self.rates[name]

    def below(self, end: int) -> int:
        """From 0 on, and below the end."""
        return self._random.randrange(end)

    def between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def one_of(self, things: Sequence[Thing], weights: Sequence[float] | None = None) -> Thing:
        return self._random.choices(things, weights)[0]

    def shuffled(self, things: Sequence[Thing]) -> list[Thing]:
        return self._random.sample(things, len(things))


class Ids:
    """UUIDv7 in the order in which they are asked for, the same for the same seed."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._random = random.Random(f"ids of {seed}")
        self._clock = clock
        self._last = 0

    def __call__(self) -> UUID:
        milliseconds = int(EPOCH.timestamp() * 1000) + self._clock.micros // 1000
        self._last = max(self._last + 1, milliseconds << 12)
        time, number = self._last >> 12, self._last & 0xFFF
        ordered = time << 80 | 7 << 76 | number << 64 | 2 << 62
        return UUID(int=ordered | self._random.getrandbits(62))

    def token_hex(self, size: int) -> str:
        """What stands for the module `secrets`."""
        return f"{self._random.getrandbits(size * 8):0{size * 2}x}"
