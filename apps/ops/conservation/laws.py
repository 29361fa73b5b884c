"""The laws, each with the function that looks whether it holds."""

from collections.abc import Callable, Iterator, Mapping

from apps.ops.conservation import database_laws, platform_laws, saga_laws
from apps.ops.conservation.facts import EndedSaga
from apps.ops.conservation.proof import Law, Tally, View

SagaCheck = Callable[[EndedSaga], Iterator[str]]
ViewCheck = Callable[[View, Tally], None]

ENDS = Law("I1", "every ended order is confirmed with all steps done, or undone with none left")
DUE = Law("I2", "what is captured and not refunded is what is due, and nothing stays held")
ACCOUNTS = Law("I2", "each account's balances are the sum of its ledger entries")
PAYMENTS = Law("I2", "each payment says what its ledger entries say")
LEDGER = Law("I2", "the pots of each currency sum to zero")
PROMISES = Law("I2", "each promised total is the sum of its lines")
STOCK = Law("I3", "each product's stock is the sum of its movements")
NEGATIVE = Law("I3", "no product has less than nothing")
RESERVED = Law("I3", "what is reserved of a product is in open reservations")
OPEN = Law("I3", "every hold, reservation and booking belongs to a saga that still needs it")
TOLD = Law("I5", "no customer is told the same thing of an order twice")
UNPAID = Law("I4", "what is handed over is paid and confirmed")
IN_PLAN = Law("I6", "no saga log has a row outside plan and reactions")
HISTORY = Law("I6", "each step's row says what its saga was told last")
EFFECTS = Law("I6", "each done step had one effect, each undone one its reversal, others none")
REACTIONS = Law("I6", "what is confirmed is handed over and shipped, nothing else is")
OUTBOX = Law("I6", "no message waits in an outbox for too long")
ORDERS = Law("I7", "every accepted order has its saga, and one idempotency key")
SAGAS = Law("I7", "every saga has its order")
RETURNS = Law("I2", "no more is refunded of a payment than was taken, and its refunds say so")
GOODS = Law("I3", "what came back of a product was shipped, for the same order")
RESTOCKED = Law("I3", "what came back undamaged is on hand again, and nothing else")
LINES = Law("I1", "what is returned of a line is in the order's returns")
WISHES = Law("I1", "a wish to cancel stands as its order does")
CASES = Law("I1", "what needs a person stands on the desk, and nothing else does")
AUDIT = Law("I9", "everything that a person did to a saga is in the audit")
CARRIER = Law("I11", "what is booked with a carrier outside is booked there, and nothing else is")
REVERSE = Law("I8", "steps are undone in reverse, each once")
GATEWAY = Law("I10", "Stripe holds, took and gave back what payments says")

LAWS_OF_VIEWS: Mapping[Law, ViewCheck] = {
    ACCOUNTS: database_laws.accounts,
    PAYMENTS: database_laws.payments_in_ledger,
    LEDGER: database_laws.ledger,
    PROMISES: database_laws.promises,
    STOCK: database_laws.stock,
    NEGATIVE: database_laws.negative,
    RESERVED: database_laws.reserved,
    OPEN: platform_laws.open_things,
    UNPAID: platform_laws.unpaid,
    TOLD: database_laws.messages,
    OUTBOX: database_laws.outbox,
    ORDERS: platform_laws.accepted_orders,
    SAGAS: platform_laws.sagas_of_orders,
    RETURNS: database_laws.refunds,
    GOODS: database_laws.goods_back,
    LINES: database_laws.returned_lines,
    WISHES: database_laws.wishes,
    CASES: database_laws.cases,
    AUDIT: database_laws.audit,
    CARRIER: platform_laws.carriers_bookings,
}


def laws_of_taking_back() -> Mapping[Law, SagaCheck]:
    """What every ended saga obeys that takes a confirmed order back. It has no reactions."""
    return {
        ENDS: saga_laws.carries_out_its_wish,
        IN_PLAN: lambda saga: saga_laws.log_is_in_plan(saga, frozenset()),
        HISTORY: saga_laws.log_equals_history,
        REVERSE: saga_laws.compensations_run_in_reverse,
    }


def laws_of_returns() -> Mapping[Law, SagaCheck]:
    """What every ended saga obeys that takes goods back. It has no reactions."""
    return {
        ENDS: saga_laws.carries_out_its_return,
        DUE: saga_laws.return_is_paid_back,
        RESTOCKED: saga_laws.return_is_restocked,
        IN_PLAN: lambda saga: saga_laws.log_is_in_plan(saga, frozenset()),
        HISTORY: saga_laws.log_equals_history,
        REVERSE: saga_laws.compensations_run_in_reverse,
    }


def laws_of_sagas(reactions: frozenset[str]) -> Mapping[Law, SagaCheck]:
    """What every ended saga obeys that places an order; `reactions` are the steps that are in no
    plan."""
    return {
        ENDS: saga_laws.ends_one_way,
        DUE: saga_laws.money_is_due,
        IN_PLAN: lambda saga: saga_laws.log_is_in_plan(saga, reactions),
        HISTORY: saga_laws.log_equals_history,
        EFFECTS: saga_laws.effects_happened_once,
        REACTIONS: lambda saga: saga_laws.reactions_follow(saga, reactions),
        REVERSE: saga_laws.compensations_run_in_reverse,
    }
