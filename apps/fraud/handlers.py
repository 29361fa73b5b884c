"""What fraud does when asked: clear an order, refuse it, or ask a person; and take that back."""

from apps.contracts.fraud import (
    CheckFraud,
    FraudCheckLifted,
    FraudCleared,
    FraudSuspected,
    LiftFraudCheck,
)
from apps.fraud import reviews
from apps.fraud.models import RULES
from apps.fraud.reviews import CheckedOrder, Decided
from apps.fraud.rules import Verdict, judge
from apps.fraud.workspaces import Assessments
from apps.messaging.handling import ByHand, Call, CallOutside, Handler, OutsideCall
from apps.messaging.providers import Provider

ASK_PERSON = "ask_person"
PERSON = Provider("person")  # a row on a desk of ours: it bears any number, and always answers


def check_fraud(
    command: CheckFraud, assessments: Assessments
) -> FraudCleared | FraudSuspected | CallOutside:
    """What the rules say. Where they cannot, the step waits for a person."""
    verdict, reasons = judge(assessments.facts(command))
    if verdict is Verdict.REFUSE:
        return FraudSuspected()
    order = CheckedOrder(
        order_id=command.order_id,
        customer_id=command.customer_id,
        currency=command.currency,
        total_cents=command.total_cents,
        country=command.address.country,
        reasons=reasons,
    )
    if verdict is Verdict.ASK:
        return CallOutside(ASK_PERSON, str(assessments.request.saga_id), order)
    assessments.clear(order, RULES)
    return FraudCleared(by_person=False)


def decided(
    call: Call, outcome: Decided | ByHand, assessments: Assessments
) -> FraudCleared | FraudSuspected:
    """A person has decided; or the desk was closed, for nobody waits for it any more."""
    if isinstance(outcome, ByHand):
        assessments.withdraw_review()
        assessments.clear(call.details, outcome.evidence)
        return FraudCleared(by_person=True)
    if not outcome.clear:
        return FraudSuspected()
    assessments.clear(call.details, outcome.by)
    return FraudCleared(by_person=True)


def lift_fraud_check(command: LiftFraudCheck, assessments: Assessments) -> FraudCheckLifted:
    """The order is undone, so it counts no longer."""
    assessments.lift()
    return FraudCheckLifted()


COMMANDS = {
    CheckFraud: Handler(check_fraud, Assessments),
    LiftFraudCheck: Handler(lift_fraud_check, Assessments),
}
CALLS = {
    ASK_PERSON: OutsideCall(
        reviews.ask,
        decided,
        Assessments,
        details=CheckedOrder,
        longest=reviews.LONGEST_CALL_SECONDS,
        steps=frozenset({"check_fraud"}),
        provider=PERSON,
    ),
}
