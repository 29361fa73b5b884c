"""The headers of every message, all text. Answers match on step, action and generation.

Every message has ALL of them; INPUTS beside them only where services follow one another.
"""

MESSAGE_ID = "message_id"  # UUIDv7; one per message, the same in every resend of it
SAGA_ID = "saga_id"  # UUIDv7; also the key
STEP_ID = "step_id"  # the step asked for or told of
ACTION = "action"  # do, undo or fence
TYPE = "type"  # the name of the payload's type
VERSION = "version"  # of the payload's type
GENERATION = "generation"  # 1, raised only by a retry after a definite refusal
MODE = "mode"  # orchestrated: a command or its answer; choreographed: an event
PLAN = "plan"  # process/version/mode/steps, copied onward
CAUSATION_ID = "causation_id"  # the message that led to this one; its own id where none did
TRACEPARENT = "traceparent"  # W3C Trace Context, copied onward
BAGGAGE = "baggage"  # W3C Baggage: the saga id
INPUTS = "inputs"  # JSON: what the steps ahead need; only of a success that others follow

ALL = (
    MESSAGE_ID, SAGA_ID, STEP_ID, ACTION, TYPE, VERSION, GENERATION,
    MODE, PLAN, CAUSATION_ID, TRACEPARENT, BAGGAGE,
)  # fmt: skip

LONGEST = 200  # characters of a header: step and type are in indexes, which take no more than that
LONGEST_PLAN = 10_000  # which is in none
LONGEST_INPUTS = 500_000


def longest(name: str) -> int:
    """How many characters a header of that name may have."""
    return {PLAN: LONGEST_PLAN, INPUTS: LONGEST_INPUTS}.get(name, LONGEST)


def baggage_of(saga_id: object) -> str:
    """The saga id, and nothing else: baggage may leave the house."""
    return f"saga_id={saga_id}"
