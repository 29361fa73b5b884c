"""How long a saga waits, and what it does when something is refused. Times are in seconds."""

import enum
import math
from dataclasses import dataclass


class OnRefusal(enum.StrEnum):
    """What follows a refusal."""

    TURN_BACK = "turn_back"  # undo the steps before at once
    WAIT = "wait"  # for a person's decision, for so long as the step says; then turn back


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request waits for its answer, and how often it is sent."""

    timeout: float = 10.0  # until the first re-send
    attempts: int = 4  # sendings, the first included; one that then has no answer has failed
    backoff: float = 2.0  # each wait is so many times the one before
    longest: float = 300.0  # one wait at most; a request that stands on the desk waits so long

    def wait(self, attempt: int) -> float:
        """Seconds to wait after the sending of that number (1 is the first), without jitter."""
        growth = (attempt - 1) * math.log(self.backoff)  # a power of thousands would overflow
        if growth >= math.log(self.longest / self.timeout):
            return self.longest
        return self.timeout * self.backoff ** (attempt - 1)
