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
GIVEN_BACK = ("refunded", "held")  # what differs where money was given back another way
OURS = "pi_"  # how Stripe's names begin; evidence that a person gave is another reference

# Our card payments of a time, and those that the gateway's list names. Refunds that came back, or
# were paid as store credit, are not in the gateway's books. And of each whether it may still move:
# it did a short while ago, or a call about it is under way.
PAYMENTS = """
SELECT saga_id, order_id, currency, reference, status, amount_cents, captured_cents,
  refunded_cents - coalesce((
    SELECT sum(cents) FROM payments_refund AS refund WHERE refund.payment_id = payment.saga_id
      AND ("to" = 'credit' AND state = 'accepted' OR state = 'failed')), 0)::bigint,
  changed_at > now() - make_interval(secs => %b)
  OR EXISTS (SELECT FROM payments_intent AS call WHERE call.subject = payment.saga_id::text
             AND call.status IN ('due', 'claimed', 'unknown', 'waiting'))
FROM payments_payment AS payment
WHERE method = 'card' AND (authorized_at >= %b OR reference = ANY(%b::text[])
                           OR saga_id = ANY(%b::uuid[]))
"""

# Those of these sagas whose money a person gave back, past the gateway: the call that should have
# done it was withdrawn, or settled by hand; of refunds for returns one of them suffices.
OTHERWISE = """
SELECT subject FROM payments_intent
WHERE subject = ANY(%b::text[]) AND operation NOT IN ('authorize', 'capture')
GROUP BY subject
HAVING bool_or(operation = 'refund' AND reason = 'by hand')
  OR bool_or(operation <> 'refund' AND (status = 'withdrawn' OR reason = 'by hand'))
  AND NOT bool_or(operation <> 'refund' AND status = 'settled' AND reason <> 'by hand')
"""

# Those of these sagas of which what differs stands on the desk already.
TOLD = """
SELECT saga_id::text FROM payments_finding
WHERE saga_id = ANY(%b::text[]::uuid[]) AND kind IN ('refund_failed', 'hold_lost')
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


class Difference(NamedTuple):
    """Where the books differ, in words."""

    what: str
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
        reading.judge(there.id, _unknown_here(there))
    for name in ledger.asked - theirs.keys():
        here = known.get(name)
        if here and not here.moves and here.sums != NOTHING:
            reading.judge(name, [_unknown_there(here)])
    reading.differences += _paid_twice(theirs.values())
    reading.differences = _not_excused(reading.differences)
    return reading


def _not_excused(found: list[Difference]) -> list[Difference]:
    """What a person settled another way, or has on the desk, may differ in what is given back."""
    doubtful = [str(each.saga_id) for each in found if each.what in GIVEN_BACK]
    if not doubtful:
        return found
    database = Database("payments")
    rows = database.fetch(OTHERWISE, [doubtful]) + database.fetch(TOLD, [doubtful])
    excused = {saga for (saga,) in rows}
    return [e for e in found if e.what not in GIVEN_BACK or str(e.saga_id) not in excused]


def _only_there(alone: Iterable[There], settled_before: datetime) -> list[There]:
    """Of the payments that we have no row for those of our sagas that are as they will be."""
    judged = [
        each for each in alone
        if each.saga_id and not each.moves and each.created <= settled_before
    ]  # fmt: skip
    subjects = [str(each.saga_id) for each in judged]
    busy = {saga for (saga,) in Database("payments").fetch(UNDER_WAY, [subjects])}
    return [each for each in judged if str(each.saga_id) not in busy]


def _unlike(here: Here, there: There) -> Iterator[Difference]:
    """At most one. What somebody has mended by a refund at Stripe is no difference any more."""
    ours, theirs = here.sums, there.sums
    same_currency = here.currency == there.currency
    if (ours.kept or theirs.kept) and not (ours.kept == theirs.kept and same_currency):
        same = ours.captured == theirs.captured and same_currency
        yield _different("refunded" if same else "captured", here, there)
    elif (ours.held or theirs.held) and not (ours.held == theirs.held and same_currency):
        yield _different("held", here, there)


def _different(what: str, here: Here, there: There) -> Difference:
    ours, theirs = getattr(here.sums, what), getattr(there.sums, what)
    says = (
        f"{what} are {money(theirs, there.currency)} at Stripe and "
        f"{money(ours, here.currency)} here"
    )
    return _difference(what, here, there.id, says, ADVICE[what, theirs > ours])


def _unknown_here(there: There) -> Iterator[Difference]:
    """At most one: where there is money. A card that was declined leaves none."""
    if amount := there.sums.held or there.sums.kept:
        what = "held" if there.sums.held else "captured"
        says = f"Stripe has a payment that we do not know: {money(amount, there.currency)} {what}"
        assert there.saga_id
        of = Difference("", "", there.saga_id, there.order_id, there.id, "")
        yield _in_words(of, "unknown_here", says, ADVICE[what, True])


def _unknown_there(here: Here) -> Difference:
    says = f"Stripe does not know the payment of {money(max(here.sums), here.currency)}"
    return _difference("unknown_there", here, here.reference, says, ADVICE["captured", False])


def _paid_twice(theirs: Iterable[There]) -> Iterator[Difference]:
    """Orders for which more than one payment was captured and not given back."""
    orders: defaultdict[UUID, list[There]] = defaultdict(list)
    for each in theirs:
        if each.saga_id and each.order_id and each.sums.kept:
            orders[each.order_id].append(each)
    for order_id, paid in orders.items():
        if len(paid) > 1:
            names = sorted(each.id for each in paid)
            says = f"{len(paid)} payments are captured: {', '.join(names)}"
            of = Difference("", "", paid[0].saga_id, order_id, names[0], "")  # type: ignore[arg-type]
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
    return _in_words(Difference("", "", here.saga_id, here.order_id, name, ""), what, says, advice)


def _in_words(of: Difference, what: str, says: str, advice: str) -> Difference:
    key = f"{FindingKind.GATEWAY_DIFFERS}:{what}:{of.payment_intent}"
    text = f"{order_in_words(of.order_id)} ({of.payment_intent}): {says}. {advice}"
    return of._replace(what=what, key=key, text=text[0].upper() + text[1:])


def _rows(
    since: datetime, names: Collection[str], sagas: Collection[UUID], grace: timedelta
) -> list[Here]:
    asked = (grace.total_seconds(), since, list(names), list(sagas))
    return [_here(*row) for row in Database("payments").fetch(PAYMENTS, asked)]


def _here(
    saga_id: UUID, order_id: UUID, currency: str, reference: str, status: str, amount: int,
    captured: int, refunded: int, moves: bool,
) -> Here:  # fmt: skip
    sums = Sums(amount if status == PaymentStatus.AUTHORIZED else 0, captured, refunded)
    return Here(saga_id, order_id, currency, reference, sums, moves)
