"""The gateway's books beside ours: what differs, and what to do about it.

What is too young, or has a call under way, is not judged. What a person settled another way (store
credit instead of a refund, a refund by hand) and what is told already (a refund that came back, a
hold that ended) is no difference.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from apps.messaging.database import Database
from apps.messaging.display import money
from apps.payments.findings import order_in_words
from apps.payments.gateway_books import NOTHING, Ledger, Sums, There
from apps.payments.models import FindingKind, PaymentStatus

GRACE = timedelta(minutes=5)  # what moved later is not judged
OURS = "pi_"  # how Stripe's names begin; evidence that a person gave is another reference

# Our card payments of a time, and those that the gateway's list names. Of each: whether it may still
# move, by itself or by a call that is under way; whether a person undid it another way than by the
# gateway; and whether what differs stands on the desk already.
PAYMENTS = """
SELECT saga_id, order_id, currency, reference, status, amount_cents, captured_cents, refunded_cents,
  changed_at > now() - make_interval(secs => %b)
  OR EXISTS (SELECT FROM payments_intent AS call WHERE call.subject = payment.saga_id::text
             AND call.status IN ('due', 'claimed', 'unknown', 'waiting')),
  EXISTS (SELECT FROM payments_intent AS call WHERE call.saga_id = payment.saga_id
          AND call.action = 'undo' AND (call.status = 'withdrawn' OR call.reason = 'by hand'))
  AND NOT EXISTS (SELECT FROM payments_intent AS call WHERE call.saga_id = payment.saga_id
          AND call.action = 'undo' AND call.status = 'settled' AND call.reason <> 'by hand'),
  EXISTS (SELECT FROM payments_finding AS told WHERE told.payment_intent = payment.reference
          AND payment.reference <> '' AND told.kind IN ('refund_failed', 'hold_lost'))
FROM payments_payment AS payment
WHERE method = 'card' AND (authorized_at >= %b OR reference = ANY(%b::text[])
                           OR saga_id = ANY(%b::uuid[]))
"""

# Those of these sagas for which a call is under way.
UNDER_WAY = """
SELECT DISTINCT subject FROM payments_intent
WHERE subject = ANY(%b::text[]) AND status IN ('due', 'claimed', 'unknown', 'waiting')
"""


class Here(NamedTuple):
    """A card payment as we have it."""

    saga_id: UUID
    order_id: UUID
    currency: str
    reference: str
    sums: Sums
    moves: bool  # it changed a short while ago, or a call about it is under way
    otherwise: bool  # undone by a person, past the gateway
    told: bool  # what differs stands on the desk already


class Difference(NamedTuple):
    """Where the books differ, in words."""

    key: str  # names it: the payment, and in what
    saga_id: UUID
    order_id: UUID | None
    payment_intent: str
    text: str


@dataclass(slots=True)
class Reading:
    """What one comparison found."""

    compared: set[str] = field(default_factory=set)  # PaymentIntents that were judged
    not_ours: int = 0
    differences: list[Difference] = field(default_factory=list)

    def judge(self, name: str, found: Iterable[Difference]) -> None:
        """A payment was compared, and this is what differs."""
        self.compared.add(name)
        self.differences += found


def named_since(since: datetime) -> set[str]:
    """What our card payments since then are called at Stripe, which may have made them before."""
    rows = _rows(since, (), (), timedelta(0))
    return {row.reference for row in rows if row.reference.startswith(OURS)}


def compare(ledger: Ledger, grace: timedelta = GRACE) -> Reading:
    """Lay the gateway's payments beside ours, as our database is now."""
    theirs = ledger.payments
    sagas = {each.saga_id for each in theirs.values() if each.saga_id}
    rows = _rows(ledger.since, theirs.keys() | ledger.asked, sagas, grace)
    settled_before = datetime.now(UTC) - grace
    reading = Reading(not_ours=sum(not each.saga_id for each in theirs.values()))
    known = {row.reference: row for row in rows if row.reference}
    by_evidence = {row.saga_id: row for row in rows if not row.reference.startswith(OURS)}
    alone: list[There] = []
    for there in theirs.values():
        here = known.get(there.id) or by_evidence.get(there.saga_id)  # type: ignore[arg-type]
        if here is None:
            alone.append(there)
        elif not (here.moves or there.moves):
            reading.judge(there.id, _unlike(here, there))
    for there in _only_there(alone, settled_before):
        reading.judge(there.id, [_unknown_here(there)])
    for name in ledger.asked - theirs.keys():
        here = known.get(name)
        if here and not here.moves and here.sums != NOTHING:
            reading.judge(name, [_unknown_there(here)])
    reading.differences += _paid_twice(theirs.values())
    return reading


def _only_there(alone: Iterable[There], settled_before: datetime) -> list[There]:
    """Of the payments that we have no row for those of our sagas that moved money, for good."""
    judged = [
        each for each in alone
        if each.saga_id and each.sums != NOTHING and not each.moves
        and each.created <= settled_before
    ]  # fmt: skip
    subjects = [str(each.saga_id) for each in judged]
    busy = {saga for (saga,) in Database("payments").fetch(UNDER_WAY, [subjects])}
    return [each for each in judged if str(each.saga_id) not in busy]


def _unlike(here: Here, there: There) -> Iterator[Difference]:
    """At most one: in the gravest thing that differs."""
    excused = here.otherwise or here.told
    for what in ("captured",) if excused else ("captured", "refunded", "held"):
        ours, theirs = getattr(here.sums, what), getattr(there.sums, what)
        if (ours, here.currency) != (theirs, there.currency) and (ours or theirs):
            says = (
                f"{what} are {money(theirs, there.currency)} at Stripe and "
                f"{money(ours, here.currency)} here"
            )
            yield _difference(what, here, there.id, says, ADVICE[what, theirs > ours])
            return


def _unknown_here(there: There) -> Difference:
    sums = ", ".join(
        f"{money(cents, there.currency)} {what}"
        for what, cents in there.sums._asdict().items()
        if cents
    )
    assert there.saga_id
    says = f"Stripe has a payment that we do not know ({sums})"
    of = Difference("", there.saga_id, there.order_id, there.id, "")
    return _in_words(of, "unknown_here", says, ADVICE["captured", True])


def _unknown_there(here: Here) -> Difference:
    says = f"Stripe does not know the payment of {money(max(here.sums), here.currency)}"
    return _difference("unknown_there", here, here.reference, says, ADVICE["captured", False])


def _paid_twice(theirs: Iterable[There]) -> Iterator[Difference]:
    """Orders for which more than one payment was captured and not given back."""
    orders: defaultdict[UUID, list[There]] = defaultdict(list)
    for each in theirs:
        if each.saga_id and each.order_id and each.sums.captured > each.sums.refunded:
            orders[each.order_id].append(each)
    for order_id, paid in orders.items():
        if len(paid) > 1:
            names = sorted(each.id for each in paid)
            says = f"{len(paid)} payments are captured: {', '.join(names)}"
            of = Difference("", paid[0].saga_id, order_id, names[0], "")  # type: ignore[arg-type]
            yield _in_words(of, "paid_twice", says, "Refund all but one in Stripe's dashboard.")


# What to do, by what differs and whether Stripe says more than we do.
ADVICE = {
    ("captured", True): (
        "The customer has paid what no order of ours is due. See the saga: retry what waits, or "
        "refund it in Stripe's dashboard."
    ),
    ("captured", False): (
        "An order counts as paid that is not. Stop its parcel if it can be, and ask the customer "
        "to pay."
    ),
    ("refunded", True): (
        "It was refunded past the platform. Cancel the order if it still stands, and note who did "
        "it."
    ),
    ("refunded", False): (
        "The customer was told of a refund that there is not. Refund it in Stripe's dashboard."
    ),
    ("held", True): "Nobody will take or release it: cancel it in Stripe's dashboard.",
    ("held", False): (
        "It cannot be captured any more. Compensate the saga, or let the customer pay anew."
    ),
}


def _difference(what: str, here: Here, name: str, says: str, advice: str) -> Difference:
    return _in_words(Difference("", here.saga_id, here.order_id, name, ""), what, says, advice)


def _in_words(of: Difference, what: str, says: str, advice: str) -> Difference:
    key = f"{FindingKind.GATEWAY_DIFFERS}:{what}:{of.payment_intent}"
    text = f"{order_in_words(of.order_id)} ({of.payment_intent}): {says}. {advice}"
    return of._replace(key=key, text=text[0].upper() + text[1:])


def _rows(
    since: datetime, names: Collection[str], sagas: Collection[UUID], grace: timedelta
) -> list[Here]:
    asked = (grace.total_seconds(), since, list(names), list(sagas))
    return [_here(*row) for row in Database("payments").fetch(PAYMENTS, asked)]


def _here(
    saga_id: UUID, order_id: UUID, currency: str, reference: str, status: str, amount: int,
    captured: int, refunded: int, *standing: bool,
) -> Here:  # fmt: skip
    sums = Sums(amount if status == PaymentStatus.AUTHORIZED else 0, captured, refunded)
    return Here(saga_id, order_id, currency, reference, sums, *standing)
