"""The assessments of one batch, with the pace of its customers as it runs on."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Self
from uuid import UUID

from apps.contracts.fraud import CheckFraud
from apps.fraud.errors import NothingToLift
from apps.fraud.reviews import CheckedOrder
from apps.fraud.rules import PACE_HOURS, Facts
from apps.messaging.database import Database, columns, touches
from apps.messaging.handling import Task, Workspace

# How fast these customers order, and where their orders went. It locks nobody: two batches at the
# same moment do not see each other's, and a limit may be passed by a few.
CUSTOMERS = """
SELECT customer_id,
  count(*) FILTER (WHERE assessed_at > now() - make_interval(hours => %b)),
  array_agg(DISTINCT country)
FROM fraud_assessment
WHERE customer_id = ANY(%b::bigint[]) AND status = 'cleared'
GROUP BY customer_id
"""

# Lock the assessments that count, in key order.
LOCK_CLEARED = """
SELECT saga_id FROM fraud_assessment
WHERE saga_id = ANY(%b::uuid[]) AND status = 'cleared' ORDER BY saga_id FOR UPDATE
"""

# Write down which orders were cleared.
INSERT_CLEARED = """
INSERT INTO fraud_assessment
  (saga_id, order_id, customer_id, currency, total_cents, country, decided_by, status)
SELECT *, 'cleared' FROM unnest(
  %b::uuid[], %b::uuid[], %b::bigint[], %b::text[], %b::bigint[], %b::text[], %b::text[])
"""

# cleared -> lifted.
LIFT = """
UPDATE fraud_assessment SET status = 'lifted', lifted_at = statement_timestamp()
WHERE saga_id = ANY(%b::uuid[]) AND status = 'cleared'
"""

# open -> withdrawn: the step was settled by hand, past the desk.
WITHDRAW = """
UPDATE fraud_review
SET status = 'withdrawn', closed_at = statement_timestamp(), version = version + 1
WHERE saga_id = ANY(%b::uuid[]) AND status = 'open'
"""


class Assessments(Workspace):
    """What was cleared, and what is known of the customers."""

    def __init__(
        self,
        database: Database,
        pace: dict[int, int],
        countries: dict[int, set[str]],
        counted: set[UUID],
    ) -> None:
        super().__init__(database)
        self._pace = defaultdict(int, pace)
        self._countries = defaultdict(set, countries)
        self._counted = counted
        self._cleared: list[tuple[object, ...]] = []
        self._lifted: list[UUID] = []
        self._withdrawn: list[UUID] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        checks = [each.message for each in tasks if isinstance(each.message, CheckFraud)]
        others = [t.request.saga_id for t in tasks if not isinstance(t.message, CheckFraud)]
        customers = sorted({each.customer_id for each in checks})
        known = database.fetch(CUSTOMERS, (PACE_HOURS, customers)) if customers else []
        counted = database.fetch(LOCK_CLEARED, [others]) if others else []
        return cls(
            database,
            {customer: lately for customer, lately, _ in known},
            {customer: set(countries) for customer, _, countries in known},
            {saga_id for (saga_id,) in counted},
        )

    def facts(self, command: CheckFraud) -> Facts:
        """What the rules look at."""
        return Facts(
            total_cents=command.total_cents,
            country=command.address.country,
            orders_lately=self._pace[command.customer_id],
            countries=frozenset(self._countries[command.customer_id]),
        )

    def clear(self, order: CheckedOrder, decided_by: str) -> None:
        """The order of the request's saga may go on."""
        self._pace[order.customer_id] += 1
        self._countries[order.customer_id].add(order.country)
        amount = (order.currency, order.total_cents, order.country)
        of = (self.request.saga_id, order.order_id, order.customer_id)
        self._cleared.append((*of, *amount, decided_by))

    def withdraw_review(self) -> None:
        """The desk is not asked any more."""
        self._withdrawn.append(self.request.saga_id)

    def lift(self) -> None:
        """The order of the request's saga counts no longer. Raises NothingToLift."""
        saga_id = self.request.saga_id
        if saga_id not in self._counted:
            raise NothingToLift(saga_id=saga_id)
        self._counted.discard(saga_id)
        self._lifted.append(saga_id)

    def save(self) -> None:
        if self._cleared:
            self.database.send(INSERT_CLEARED, columns(self._cleared, 7))
        if self._withdrawn:
            self.database.send(WITHDRAW, [self._withdrawn])
        if self._lifted:
            self.database.send(LIFT, [self._lifted], touches(len(self._lifted)))
