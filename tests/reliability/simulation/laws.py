"""What must hold: after every step, and when all is at rest."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from apps.contracts import headers as h
from apps.contracts.catalogue import ALERTS, EVENT_TOPICS
from apps.inventory.errors import NotShippedYet
from apps.messaging.database import Database
from apps.messaging.kafka import plain_topic
from apps.messaging.wiring import wiring
from apps.ops.conservation.check import prove
from apps.ops.conservation.drain import under_way
from apps.ops.conservation.proof import Patience
from apps.payments.handlers import REFUND
from sagaplatform.env import CONTEXTS
from tests.reliability.simulation.bus import Message
from tests.reliability.simulation.faults import Bug
from tests.reliability.simulation.gateway import SimulatedGateway
from tests.reliability.simulation.trace import Trace

PIVOT = "capture_payment"
NO_ANSWERS = {"StepWaits", "PersonNeeded"}
ANSWERS = {topic for context, topic in EVENT_TOPICS.items() if context != "sagas"}
# Those that were planted; and what waits for a parked hand-over, which the engine asks again.
EXPECTED_ERRORS = (Bug.__name__, "DataError", NotShippedYet.__name__)

NEGATIVE = """
SELECT product_id FROM inventory_stock WHERE least(on_hand, reserved, shipped) < 0
"""
OPEN_CASES = "SELECT kind, step, action, reason FROM sagas_case WHERE closed_at IS NULL"
OPEN_CALLS = """
SELECT saga_id, operation, status FROM {context}_intent
WHERE status NOT IN ('settled', 'withdrawn')
"""
CALLING = ("payments", "inventory")
OPEN_ROWS = """
SELECT saga_id, step, status FROM {context}_sagalog WHERE status IN ('doing', 'undoing')
"""
LETTERS = """
SELECT saga_id, status, type, error_type FROM {context}_deadletter
WHERE status IN ('parked', 'waiting')
"""
ODD_ERRORS = """
SELECT saga_id, type, error_type, error FROM {context}_deadletter
WHERE error_type <> '' AND error_type <> ALL(%b::text[])
"""
# Whether a payment is given back but for returns, whether it was taken, and what of it was refunded
# to the card for returns.
CARD_PAYMENTS = """
SELECT payment.saga_id,
  payment.status = 'refunded' AND (captured_cents = 0 OR captured_cents > returned.cents),
  captured_cents > 0, returned.by_card
FROM payments_payment AS payment, LATERAL (
  SELECT coalesce(sum(cents), 0) AS cents,
    coalesce(sum(cents) FILTER (WHERE "to" = 'original' AND state = 'accepted'), 0)::bigint
      AS by_card
  FROM payments_refund WHERE payment_id = payment.saga_id
) AS returned
WHERE method = 'card'
"""

ANSWERED = """
SELECT saga_id, answer_type FROM sagas_sagastep
WHERE answer_type = ANY(%b::text[]) AND outcome <> 'nothing_to_undo'
"""
ON_TIMELINES = """
SELECT saga.saga_id, told.type FROM orders_orderevent AS told
JOIN (SELECT id AS order_id, saga_id FROM orders_order
      UNION ALL SELECT order_id, saga_id FROM orders_cancellation) AS saga USING (order_id)
UNION ALL
SELECT saga_id, told.type FROM orders_orderevent AS told
JOIN orders_return AS parcel ON parcel.id = told.about
"""


class Watcher:
    """Sees each message that the broker gets; remembers what breaks a law."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.violations: list[str] = []
        self._pivot_sent: set[str] = set()
        self._pivot_failed: set[str] = set()
        self._undone: set[tuple[str, ...]] = set()
        self._goods: dict[str, set[str]] = defaultdict(set)
        self._answers: dict[tuple[str, ...], str] = {}

    def see(self, message: Message) -> None:
        told = {name: value.decode() for name, value in message.headers_}
        topic = plain_topic(message.topic())
        if topic == ALERTS:
            return
        self._pivot_rule(told)
        if topic in ANSWERS and told[h.ACTION] == "do" and told[h.TYPE] not in NO_ANSWERS:
            self._one_answer(told)

    def _pivot_rule(self, told: dict[str, str]) -> None:
        """Once the pivot was sent nothing turns back, but after a definite no."""
        saga, name = told[h.SAGA_ID], told[h.TYPE]
        if name == "CapturePayment":
            self._pivot_sent.add(saga)
        elif name == "CaptureFailed" or (name == "Fenced" and told[h.STEP_ID] == PIVOT):
            self._pivot_failed.add(saga)
        elif name in COMPENSATIONS:
            self._undoing(told)
        elif name in RECEIVED_OR_NOT:
            self._goods[saga].add(name)
            if len(self._goods[saga]) > 1:
                self.violations.append(
                    f"pivot: {self.trace.saga(saga)} turns back, its goods are here"
                )

    def _undoing(self, told: dict[str, str]) -> None:
        """A compensation is asked for. What was asked before the pivot, as a step is that is
        skipped, may be sent again behind it."""
        saga, name, asked = told[h.SAGA_ID], told[h.TYPE], (told[h.STEP_ID], told[h.GENERATION])
        first = (saga, *asked) not in self._undone
        self._undone.add((saga, *asked))
        if first and saga in self._pivot_sent - self._pivot_failed:
            self.violations.append(f"pivot: {name} for {self.trace.saga(saga)} after its pivot")

    def _one_answer(self, told: dict[str, str]) -> None:
        """Answers to one request never contradict each other."""
        key = (told[h.SAGA_ID], told[h.STEP_ID], told[h.GENERATION])
        first = self._answers.setdefault(key, told[h.TYPE])
        if first != told[h.TYPE]:
            saga = self.trace.saga(told[h.SAGA_ID])
            self.violations.append(f"answers: {first} and {told[h.TYPE]} were told of {saga}")


COMPENSATIONS = {
    "CancelOrder", "ReleaseStock", "UnfreezePrice", "RefundPayment", "UnwrapGift", "CancelShipment",
}  # fmt: skip


RECEIVED_OR_NOT = ("GoodsReceived", "RefuseReturn")


def broken_now(gateway: SimulatedGateway, trace: Trace) -> Iterator[str]:
    """What may not be at any moment. Money and stock below zero are no rows that can be written."""
    for (subject, operation), times in gateway.effects.items():
        if times > 1:
            yield f"gateway: {operation} of {trace.saga(subject)} took effect {times} times"
        if operation == "capture" and gateway.is_given_back(subject):
            yield f"gateway: {trace.saga(subject)} was captured and given back"
    for subject, cents in gateway.refunded.items():
        if cents > gateway.taken.get(subject, 0):
            yield f"gateway: {cents} cents of {trace.saga(subject)} were refunded, more than taken"


def odd_errors(context: str, trace: Trace) -> Iterator[str]:
    """Messages that failed though no fault was planted in them."""
    for saga_id, kind, error_type, error in Database(context).fetch(
        ODD_ERRORS, [list(EXPECTED_ERRORS)]
    ):
        yield f"{context} parked {kind} of {trace.saga(saga_id)}: {error_type}: {error}"


def unsettled(trace: Trace) -> Iterator[str]:
    """What is not at rest, when all should be."""
    yield from under_way()
    for kind, step, action, reason in Database("sagas").fetch(OPEN_CASES):
        yield f"a case is open: {kind} {step}/{action}: {reason}"
    for context in CALLING:
        for saga_id, operation, status in Database(context).fetch(OPEN_CALLS):
            yield f"a call is {status}: {operation} of {trace.saga(saga_id)}"
    for context in CONTEXTS:
        database = Database(context)
        for saga_id, step, status in database.fetch(OPEN_ROWS):
            yield f"a row is {status}: {step} of {trace.saga(saga_id)}"
        for saga_id, status, kind, error in database.fetch(LETTERS):
            yield f"a message is {status} in {context}: {kind} of {trace.saga(saga_id)} ({error})"


def broken_at_rest(
    gateway: SimulatedGateway, substituted: set[UUID], trace: Trace
) -> Iterator[str]:
    """The conservation proof and the gateway's ledger."""
    patience = Patience(moment=timedelta(0), shipping=timedelta(0), second_look=0)
    for verdict in prove(patience).verdicts:
        for fault in verdict.faults:
            yield f"{verdict.law}: {_named(fault.subject, trace)} {fault.text}"
    yield from _unlike_the_gateway(gateway, substituted, trace)
    yield from _not_heard_by_orders(trace)
    if Database("inventory").fetch(NEGATIVE):
        yield "stock is negative"


def _not_heard_by_orders(trace: Trace) -> Iterator[str]:
    """What the engine heard, the customer's timeline tells: no listener misses anything."""
    heard_of = [name for name, _ in wiring("orders").listeners]
    on_timelines = set(Database("orders").fetch(ON_TIMELINES))
    for saga_id, name in Database("sagas").fetch(ANSWERED, [heard_of]):
        if (saga_id, name) not in on_timelines:
            yield f"the timeline of {trace.saga(saga_id)} lacks {name}"


def _unlike_the_gateway(
    gateway: SimulatedGateway, substituted: set[UUID], trace: Trace
) -> Iterator[str]:
    """I10: what the gateway did is what the payments say."""
    wanted = {str(saga_id): rest for saga_id, *rest in Database("payments").fetch(CARD_PAYMENTS)}
    paid = {subject for subject, operation in gateway.effects if operation != REFUND}
    for subject in sorted(paid | set(wanted)):
        given_back, captured, refunded = wanted.get(subject, (None, False, 0))
        ours = {"authorize": given_back is not None, "capture": captured}
        theirs = {each: bool(gateway.effects[subject, each]) for each in ours}
        ours["refunded"], theirs["refunded"] = refunded, gateway.refunded[subject]
        if UUID(subject) not in substituted:
            ours["give_back"] = bool(given_back)
            theirs["give_back"] = gateway.is_given_back(subject) or gateway.is_returned(subject)
        if ours != theirs:
            yield f"I10: of {trace.saga(subject)} we say {ours}, the gateway {theirs}"


def _named(subject: str, trace: Trace) -> str:
    kind, _, name = subject.partition(" ")
    return trace.saga(name) if kind == "saga" else subject
