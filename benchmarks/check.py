"""What must be true after a run: every saga confirmed, every step once, and nothing lost."""

import time
from datetime import timedelta

from apps.contracts.catalogue import CONTEXTS
from apps.contracts.plan import Plan
from apps.messaging.wiring import wiring
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from benchmarks.environment import Owners
from benchmarks.errors import WrongOutcome

PATIENCE_SECONDS = 90

CONFIRMED = "SELECT count(*) FROM sagas_saga WHERE status = 'confirmed'"
PLANS = "SELECT plan, count(*) FROM sagas_saga GROUP BY plan"
DONE_STEPS = "SELECT count(*) FROM {context}_sagalog WHERE status = 'done'"
LOG_ROWS = "SELECT count(*) FROM {context}_sagalog"
UNSENT = "SELECT count(*) FROM {context}_outboxmessage"


def number(owners: Owners, context: str, statement: str) -> int:
    """The one number that a statement gives."""
    row = owners[context].execute(statement.replace("{context}", context)).fetchone()
    assert row
    return int(row[0])


def wait_until_settled(owners: Owners, sagas: int) -> None:
    """Until so many sagas are confirmed, with the reactions to them, and nothing is unsent.

    Raises WrongOutcome where that does not come."""
    until = time.monotonic() + PATIENCE_SECONDS
    while left := _left(owners, sagas):
        if time.monotonic() > until:
            raise WrongOutcome(left)
        time.sleep(0.2)


def _left(owners: Owners, sagas: int) -> str:
    confirmed = number(owners, "sagas", CONFIRMED)
    if confirmed < sagas:
        return f"{confirmed} of {sagas} sagas are confirmed"
    done, expected = steps_done(owners), steps_expected(owners)
    if done < expected:
        return f"{done} of {expected} steps are done"
    unsent = sum(number(owners, each, UNSENT) for each in CONTEXTS)
    return f"{unsent} messages are not acknowledged" if unsent else ""


def steps_done(owners: Owners) -> int:
    """Rows of all saga logs that are done."""
    return sum(number(owners, each, DONE_STEPS) for each in CONTEXTS)


def steps_expected(owners: Owners) -> int:
    """What the plans of all sagas, and the reactions to a confirmed one, come to."""
    reactions = sum(len(wiring(each).reaction_steps) for each in CONTEXTS)
    plans = owners["sagas"].execute(PLANS).fetchall()
    return sum((len(Plan.from_header(plan).steps) + reactions) * count for plan, count in plans)


def check_outcome(owners: Owners, sagas: int) -> None:
    """Raises WrongOutcome unless the barrier let each step through once and the proof holds."""
    wait_until_settled(owners, sagas)
    rows, expected = sum(number(owners, e, LOG_ROWS) for e in CONTEXTS), steps_expected(owners)
    if rows != expected or number(owners, "sagas", CONFIRMED) != sagas:
        raise WrongOutcome(f"{rows} rows in the saga logs, {expected} expected; {sagas} sagas")
    proof = prove(Patience(moment=timedelta(0), second_look=1.0))
    if not proof.holds or proof.unfinished:
        raise WrongOutcome(f"the conservation proof does not hold: {proof.as_json()}")
