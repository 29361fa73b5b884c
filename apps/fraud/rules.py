"""What speaks against an order, as data: each rule is a sentence and a look at the facts. Pure."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

PACE_HOURS = 1  # the pace is counted over so long
ASK_ABOVE_CENTS = 200_000  # of any currency: a parcel that is worth a second look
ASK_FROM_ORDERS = 10  # within the pace's time
REFUSE_FROM_ORDERS = 30  # no person shops so fast


class Verdict(enum.IntEnum):
    """What a rule, and all of them together, say. The highest counts."""

    CLEAR = 0
    ASK = 1  # a person decides
    REFUSE = 2


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules look at."""

    total_cents: int
    country: str
    orders_lately: int  # of the customer, within PACE_HOURS, this one not counted
    countries: frozenset[str]  # that the customer's earlier orders went to


class Rule(NamedTuple):
    """Speaks where its look finds something."""

    verdict: Verdict
    sentence: str  # for who decides; never for the customer
    finds: Callable[[Facts], bool]


RULES = (
    Rule(
        Verdict.ASK,
        f"It is worth more than {ASK_ABOVE_CENTS // 100:,}.00",
        lambda facts: facts.total_cents > ASK_ABOVE_CENTS,
    ),
    Rule(
        Verdict.ASK,
        f"The customer placed {ASK_FROM_ORDERS} orders or more within an hour",
        lambda facts: facts.orders_lately >= ASK_FROM_ORDERS,
    ),
    Rule(
        Verdict.REFUSE,
        f"The customer placed {REFUSE_FROM_ORDERS} orders or more within an hour",
        lambda facts: facts.orders_lately >= REFUSE_FROM_ORDERS,
    ),
    Rule(
        Verdict.ASK,
        "It goes to a country that none of the customer's orders went to before",
        lambda facts: bool(facts.countries) and facts.country not in facts.countries,
    ),
)


class Judgement(NamedTuple):
    """What the rules say together, and why."""

    verdict: Verdict
    reasons: tuple[str, ...]


def judge(facts: Facts) -> Judgement:
    """Cleared where no rule speaks; of those that do, the strictest counts."""
    found = [rule for rule in RULES if rule.finds(facts)]
    verdict = max((rule.verdict for rule in found), default=Verdict.CLEAR)
    return Judgement(verdict, tuple(rule.sentence for rule in found))
