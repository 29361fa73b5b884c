"""Orders that the rules decide on."""

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.fraud import (
    FraudCheckLifted,
    FraudCleared,
    FraudSuspected,
    LiftFraudCheck,
)
from apps.fraud.errors import NothingToLift
from apps.messaging.handling import CallOutside
from tests.fraud.desk import Desk, check
from tests.handling import ask, ask_together

Databases = dict[str, psycopg.Connection]
CLEARED = FraudCleared(by_person=False)


def test_an_order_that_nothing_speaks_against_is_cleared(databases: Databases) -> None:
    assert ask("fraud", check(uuid7())) == CLEARED
    assert Desk(databases["fraud"]).assessments() == [("cleared", "rules", 900)]


def test_orders_of_one_batch_count_for_the_pace(databases: Databases) -> None:
    """30 are as many as a person may place: of 31 the rules clear ten, and a person is asked."""
    answers = ask_together("fraud", [(uuid7(), "check_fraud", check(uuid7())) for _ in range(11)])
    assert answers[:10] == [CLEARED] * 10
    assert isinstance(answers[10], CallOutside)
    assert answers[10].details.reasons == ("The customer placed 10 orders or more within an hour",)
    assert len(Desk(databases["fraud"]).assessments()) == 10


def test_what_is_too_fast_is_refused_and_leaves_nothing(databases: Databases) -> None:
    databases["fraud"].execute(
        "INSERT INTO fraud_assessment (saga_id, order_id, customer_id, currency, total_cents,"
        " country, status, decided_by) SELECT gen_random_uuid(), gen_random_uuid(), 7, 'USD', 900,"
        " 'US', 'cleared', 'rules' FROM generate_series(1, 30)"
    )
    assert ask("fraud", check(uuid7())) == FraudSuspected()
    assert len(Desk(databases["fraud"]).assessments()) == 30


def test_orders_of_more_than_an_hour_ago_and_lifted_ones_do_not_count(
    databases: Databases,
) -> None:
    databases["fraud"].execute(
        "INSERT INTO fraud_assessment (saga_id, order_id, customer_id, currency, total_cents,"
        " country, status, decided_by, assessed_at, lifted_at) SELECT gen_random_uuid(),"
        " gen_random_uuid(), 7, 'USD', 900, 'US', CASE WHEN n > 30 THEN 'lifted' ELSE 'cleared'"
        " END, 'rules', now() - CASE WHEN n > 30 THEN interval '0' ELSE interval '61 minutes' END,"
        " CASE WHEN n > 30 THEN now() END FROM generate_series(1, 60) AS n"
    )
    assert ask("fraud", check(uuid7())) == CLEARED


@pytest.mark.parametrize(("country", "answer"), [("FR", None), ("CA", CLEARED), ("DE", None)])
def test_an_order_to_a_country_that_none_went_to_before_is_asked_about(
    databases: Databases, country: str, answer: FraudCleared | None
) -> None:
    """However long ago; another customer's orders, and lifted ones, do not count."""
    databases["fraud"].execute(
        "INSERT INTO fraud_assessment (saga_id, order_id, customer_id, currency, total_cents,"
        " country, status, decided_by, assessed_at, lifted_at) SELECT gen_random_uuid(),"
        " gen_random_uuid(), customer, 'USD', 900, country, status, 'rules',"
        " now() - interval '1 year', CASE WHEN status = 'lifted' THEN now() END"
        " FROM (VALUES (7, 'US', 'cleared'), (7, 'CA', 'cleared'), (7, 'DE', 'lifted'),"
        " (8, 'FR', 'cleared')) AS earlier (customer, country, status)"
    )

    found = ask("fraud", check(uuid7(), country=country))

    if answer is None:
        assert isinstance(found, CallOutside)
        assert found.details.reasons == (
            "It goes to a country that none of the customer's orders went to before",
        )
    else:
        assert found == answer


def test_of_one_batch_the_first_country_is_known_to_the_second_order(
    databases: Databases,
) -> None:
    orders = [("US", CLEARED), ("FR", None)]
    asked = [(uuid7(), "check_fraud", check(uuid7(), country=each)) for each, _ in orders]

    first, second = ask_together("fraud", asked)

    assert first == CLEARED
    assert isinstance(second, CallOutside)


def test_a_reason_tells_the_customer_no_rule() -> None:
    assert FraudSuspected().reason == (
        "We could not accept this order. Nothing was charged; our support will gladly help"
    )


def test_a_lifted_check_counts_no_longer(databases: Databases) -> None:
    saga_id = uuid7()
    ask("fraud", check(uuid7()), saga_id=saga_id)
    assert ask("fraud", LiftFraudCheck(), saga_id=saga_id) == FraudCheckLifted()
    assert Desk(databases["fraud"]).assessments() == [("lifted", "rules", 900)]


def test_lifting_what_was_not_cleared_is_an_error(databases: Databases) -> None:
    with pytest.raises(NothingToLift):
        ask("fraud", LiftFraudCheck())
    assert Desk(databases["fraud"]).assessments() == []
