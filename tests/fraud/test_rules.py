"""What the rules say of an order; pure."""

from dataclasses import replace

import pytest

from apps.fraud.rules import Facts, Verdict, judge

PLAIN = Facts(total_cents=200_000, country="US", orders_lately=0, countries=frozenset({"US"}))
DEAR = "It is worth more than 2,000.00"
FAST = "The customer placed 10 orders or more within an hour"
TOO_FAST = "The customer placed 30 orders or more within an hour"
ELSEWHERE = "It goes to a country that none of the customer's orders went to before"


@pytest.mark.parametrize(
    ("facts", "verdict", "reasons"),
    [
        (PLAIN, Verdict.CLEAR, ()),
        (replace(PLAIN, total_cents=200_001), Verdict.ASK, (DEAR,)),
        (replace(PLAIN, orders_lately=9), Verdict.CLEAR, ()),
        (replace(PLAIN, orders_lately=10), Verdict.ASK, (FAST,)),
        (replace(PLAIN, orders_lately=30), Verdict.REFUSE, (FAST, TOO_FAST)),
        (replace(PLAIN, country="FR"), Verdict.ASK, (ELSEWHERE,)),
        (replace(PLAIN, country="FR", countries=frozenset()), Verdict.CLEAR, ()),  # the first
        (replace(PLAIN, total_cents=200_001, orders_lately=30), Verdict.REFUSE,
         (DEAR, FAST, TOO_FAST)),
    ],
)  # fmt: skip
def test_the_strictest_rule_counts(
    facts: Facts, verdict: Verdict, reasons: tuple[str, ...]
) -> None:
    assert judge(facts) == (verdict, reasons)
