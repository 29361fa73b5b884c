"""The platform's processes, each of which can be made to die at a failpoint."""

import os
import signal
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException
from django.conf import settings

from apps.messaging.heard import Hearing
from apps.messaging.kafka import admin_client
from apps.messaging.wiring import wiring
from sagaplatform.env import CONTEXTS
from tests.reliability.crash.leaving import leave_for
from tests.reliability.crash.nursery import Nursery
from tests.reliability.crash.points import ONCE, Job, Role, Scenario

DOOMSDAY = datetime(9999, 1, 1, tzinfo=UTC)
CONSUMERS = tuple(Role(Job.CONSUMER, each) for each in CONTEXTS)
WORKERS = tuple(Role(Job.WORKER, each) for each in CONTEXTS if wiring(each).calls)

# A dead process sends nothing more: its messages are the sweeper's now, not in some seconds.
ORPHAN_MESSAGES = """
UPDATE {context}_outboxmessage SET created_at = created_at - interval '10 seconds'
"""
# A dead worker calls no more: its calls are anybody's now, not at the end of its lease.
ORPHAN_CALLS = """
UPDATE {context}_intent SET leased_until = now() WHERE status = 'claimed'
"""
# A dead watchdog watches no more.
ORPHAN_LEASES = "UPDATE {context}_lease SET until = now()"

WAITING_MESSAGES = "SELECT count(*) FROM {context}_outboxmessage"
# What waits for days waits for a person.
OPEN_CALLS = """
SELECT count(*) FROM {context}_intent WHERE status IN ('due', 'claimed', 'unknown', 'waiting')
  AND (status <> 'waiting' OR due_at < now() + interval '1 hour')
"""


class Stage:
    """All processes on topics of their own, with `more` settings. `planted` names a fault for some
    of them."""

    def __init__(
        self,
        owners: dict[str, psycopg.Connection],
        folder: Path,
        environment: Mapping[str, str],
        more: Mapping[str, str],
        planted: Mapping[Role, str],
    ) -> None:
        self.owners = owners
        self.folder = folder
        self.planted = planted
        self.environment = {
            **os.environ, **environment, **more,
            "DJANGO_SETTINGS_MODULE": "sagaplatform.settings", "LOG_FORMAT": "text",
            "KAFKA_TOPIC_PREFIX": settings.KAFKA_TOPIC_PREFIX, "WATCHDOG_FEWEST_LATE": "1000",
        }  # fmt: skip
        self.client = admin_client()
        self.nursery = Nursery(self.environment)
        self.running: dict[Role, int] = {}  # pids
        self.ended: dict[Role, int] = {}  # and how, of those that are not buried yet
        self.hearings = {each: Hearing(each, wiring(each).topics) for each in CONTEXTS}
        for each in self.hearings.values():
            each.client = self.client

    # --- processes

    def start(self, role: Role, *dying: str, scenario: Scenario | None = None) -> None:
        """Start a process. `dying` is where it shall die, and the file that tells that it did."""
        armed = dict(zip(ARMING, dying, strict=False))
        given = scenario.name if scenario and role.job in ONCE else role.context
        words = [each.format(given) for each in (*self._planted(role), *WORDS[role.job])]
        self.running[role] = self.nursery.start(words, armed, self._log(role))

    def kill(self, *roles: Role) -> None:
        """SIGKILL to those that run; what they had is anybody's at once."""
        living = [each for each in roles if each in self.running and each not in self.dead()]
        for role in living:
            os.kill(self.running[role], signal.SIGKILL)
        for role in living:
            self.ended[role] = self.nursery.status(self.running[role], wait=True) or 0
            self.bury(role)

    def bury(self, role: Role) -> int:
        """A process is dead: others may have at once what was its own until a time. How it died."""
        del self.running[role]
        status = self.ended.pop(role)
        if role.job is Job.CONSUMER:
            leave_for(self.client, role.context)
        if role.job is Job.WATCHDOG:
            for context in ("orders", "sagas"):
                self.tell(context, ORPHAN_LEASES)
            for context in ("orders", "shipping"):  # which it watches over too
                self.tell(context, ORPHAN_MESSAGES)
        if role.job is Job.WORKER:
            self.tell(role.context, ORPHAN_CALLS)
        self.tell(role.context, ORPHAN_MESSAGES)
        return status

    def dead(self) -> list[Role]:
        """Those that died and are not buried yet."""
        for role in [each for each in self.running if each not in self.ended]:
            status = self.nursery.status(self.running[role])
            if status is not None:
                self.ended[role] = status
        return list(self.ended)

    def close(self) -> None:
        """End all of them."""
        self.nursery.close()

    # --- what is on its way

    def at_rest(self) -> bool:
        """Whether those that live have nothing to do."""
        if any(each.job in ONCE for each in self.running):
            return False
        living = [each for each in (*CONSUMERS, *WORKERS) if each in self.running]
        consumers = [each for each in living if each.job is Job.CONSUMER]
        return not any(map(self.is_busy, living)) and all(map(self.heard_all, consumers))

    def is_busy(self, role: Role) -> bool:
        """Whether its context has something to send or to call, which it would do by itself."""
        statement = WAITING_MESSAGES if role.job is Job.CONSUMER else OPEN_CALLS
        return self.count(role.context, statement) > 0

    def heard_all(self, role: Role) -> bool:
        """Whether a consumer has taken in all that it was told."""
        hearing = self.hearings[role.context]
        try:
            hearing.look()
            return all(hearing.has_passed(each, DOOMSDAY) for each in wiring(role.context).topics)
        except KafkaException:  # new topics have no leader yet: nobody has heard anything there
            return False

    def count(self, context: str, statement: str) -> int:
        row = self.owners[context].execute(statement.replace("{context}", context)).fetchone()
        assert row
        return int(row[0])

    def tell(self, context: str, statement: str) -> None:
        self.owners[context].execute(statement.replace("{context}", context))

    # --- parts

    def log_end(self, role: Role) -> str:
        """The last that a process has said."""
        return "\n".join(self._log(role).read_text().splitlines()[-5:])

    def _log(self, role: Role) -> Path:
        return self.folder / f"{role}.log"

    def _planted(self, role: Role) -> Sequence[str]:
        fault = self.planted.get(role)
        return ("-m", "tests.reliability.crash.planted", fault) if fault else ()


ARMING = ("FAILPOINT", "FAILPOINT_SPENT")
WORDS = {
    Job.CONSUMER: ("manage.py", "run_consumer", "{}"),
    Job.WORKER: ("-m", "tests.reliability.crash.worker", "{}"),
    Job.WATCHDOG: ("manage.py", "run_watchdog"),
    Job.INITIATOR: ("-m", "tests.reliability.crash.initiator", "{}"),
    Job.CUSTOMER: ("-m", "tests.reliability.crash.initiator", "{}", "wish"),
}
