"""Search and lists, a page at a time."""

from typing import Any

import pytest
import stripe

from tests.fakestripe.payments import error_of, hold, paid
from tools.fakestripe.client import Control


def orders(found: list[stripe.PaymentIntent]) -> list[str]:
    return [intent.metadata["order_id"] for intent in found]


@pytest.fixture
def three(api: stripe.StripeClient, control: Control) -> list[stripe.PaymentIntent]:
    """Held, paid and canceled, a minute apart."""
    made = [hold(api, metadata={"order_id": "a-1", "shop": "north"}, amount=1000)]
    control.advance(60)
    made.append(paid(api, metadata={"order_id": "a-2", "shop": "south"}, amount=2000))
    control.advance(60)
    last = hold(api, metadata={"order_id": "b-3", "odd key": "%"}, amount=3000)
    made.append(api.v1.payment_intents.cancel(last.id))
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("metadata['order_id']:'a-2'", ["a-2"]),
        ('metadata["order_id"]:"A-2"', ["a-2"]),
        ("metadata['order_id']:'a-9'", []),
        ("metadata['order_id']~'a-'", ["a-2", "a-1"]),
        ("metadata['order_id']~'%'", []),
        ("metadata['odd key']:'%'", ["b-3"]),
        ("status:'succeeded'", ["a-2"]),
        ("-status:'succeeded'", ["b-3", "a-1"]),
        ("-metadata['shop']:'north'", ["b-3", "a-2"]),
        ("metadata['shop']:null", ["b-3"]),
        ("-metadata['shop']:null", ["a-2", "a-1"]),
        ("status:'canceled' OR status:'requires_capture'", ["b-3", "a-1"]),
        ("metadata['shop']:'north' AND status:'requires_capture'", ["a-1"]),
        ("metadata['shop']:'north' AND status:'succeeded'", []),
        ("amount>1000 AND amount<=2000", ["a-2"]),
        ("amount:3000", ["b-3"]),
        ("currency:'eur'", ["b-3", "a-2", "a-1"]),
        ("currency:'it\\'s'", []),
    ],
)
def test_a_query_finds(
    api: stripe.StripeClient, three: list[stripe.PaymentIntent], query: str, found: list[str]
) -> None:
    result = api.v1.payment_intents.search({"query": query})
    assert orders(result.data) == found
    assert (result.object, result.has_more, result.next_page) == ("search_result", False, None)


def test_a_query_finds_by_time(api: stripe.StripeClient, three: list[stripe.PaymentIntent]) -> None:
    result = api.v1.payment_intents.search({"query": f"created>{three[0].created}"})
    assert orders(result.data) == ["b-3", "a-2"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "status",
        "status:succeeded'",
        "status:'a' AND",
        "status:'a' status:'b'",
        "status:'a' AND amount:1 OR amount:2",
        "colour:'red'",
        "metadata:'a'",
        "status['a']:'b'",
        "status>'a'",
        "amount~5",
        "amount:'5'",
        "status:null",
        "status:'a') OR (1:1",
    ],
)
def test_what_is_no_query_is_refused(api: stripe.StripeClient, query: str) -> None:
    error = error_of(lambda: api.v1.payment_intents.search({"query": query}))
    assert error["param"] == "query"


def test_search_goes_page_by_page(api: stripe.StripeClient) -> None:
    for number in range(5):
        hold(api, metadata={"order_id": f"o-{number}"})
    pages: list[list[str]] = []
    given: dict[str, Any] = {"query": "currency:'eur'", "limit": 2}
    while True:
        result = api.v1.payment_intents.search(given)  # type: ignore[arg-type]
        pages.append(orders(result.data))
        if not result.has_more:
            break
        given["page"] = result.next_page
    assert pages == [["o-4", "o-3"], ["o-2", "o-1"], ["o-0"]]
    assert len(list(api.v1.payment_intents.search({"query": "amount>0"}).auto_paging_iter())) == 5


def test_a_page_that_is_none_is_refused(api: stripe.StripeClient) -> None:
    for page in ("soon", "!!", "bm8="):
        error = error_of(
            lambda page=page: api.v1.payment_intents.search({"query": "amount>0", "page": page})
        )
        assert error["param"] == "page"


def test_search_may_not_know_yet_what_is_new(api: stripe.StripeClient, control: Control) -> None:
    control.set(search_lag_seconds=60)
    hold(api, metadata={"order_id": "x"})
    query = "metadata['order_id']:'x'"
    assert api.v1.payment_intents.search({"query": query}).data == []
    assert len(api.v1.payment_intents.list().data) == 1
    control.advance(60)
    assert len(api.v1.payment_intents.search({"query": query}).data) == 1


def test_lists_go_on_behind_and_before_an_object(api: stripe.StripeClient) -> None:
    ids = [hold(api).id for _ in range(5)][::-1]
    intents = api.v1.payment_intents

    def listed(**given: object) -> tuple[list[str], bool]:
        page = intents.list({"limit": 2, **given})  # type: ignore[typeddict-item]
        return [intent.id for intent in page.data], page.has_more

    assert listed() == (ids[:2], True)
    assert listed(starting_after=ids[1]) == (ids[2:4], True)
    assert listed(starting_after=ids[3]) == (ids[4:], False)
    assert listed(ending_before=ids[2]) == (ids[:2], False)
    assert listed(ending_before=ids[4]) == (ids[2:4], True)
    assert [intent.id for intent in intents.list().auto_paging_iter()] == ids
    error = error_of(lambda: intents.list({"starting_after": "pi_of_nobody"}))
    assert error["param"] == "starting_after"


def test_lists_are_narrowed_by_time(
    api: stripe.StripeClient, three: list[stripe.PaymentIntent]
) -> None:
    first, second, third = (intent.created for intent in three)
    intents = api.v1.payment_intents
    assert orders(intents.list({"created": {"gt": first, "lt": third}}).data) == ["a-2"]
    assert orders(intents.list({"created": {"gte": second}}).data) == ["b-3", "a-2"]
    assert orders(intents.list({"created": second}).data) == ["a-2"]


def test_charges_and_refunds_are_listed_by_payment(
    api: stripe.StripeClient, three: list[stripe.PaymentIntent]
) -> None:
    payment = three[1]
    refund = api.v1.refunds.create({"payment_intent": payment.id})
    charges = api.v1.charges.list({"payment_intent": payment.id}).data
    assert [charge.id for charge in charges] == [payment.latest_charge]
    by_payment = api.v1.refunds.list({"payment_intent": payment.id}).data
    by_charge = api.v1.refunds.list({"charge": charges[0].id}).data
    assert [each.id for each in by_payment] == [each.id for each in by_charge] == [refund.id]
    assert api.v1.refunds.list({"payment_intent": three[0].id}).data == []


def test_events_are_listed_by_type(
    api: stripe.StripeClient, three: list[stripe.PaymentIntent]
) -> None:
    events = api.v1.events
    succeeded = events.list({"type": "payment_intent.succeeded"}).data
    assert [event.data.object["id"] for event in succeeded] == [three[1].id]
    assert {event.type for event in events.list({"type": "charge.*"}).data} == {
        "charge.succeeded",
        "charge.captured",
    }
    two = ["payment_intent.succeeded", "payment_intent.canceled"]
    assert {event.type for event in events.list({"types": two}).data} == set(two)
    assert events.retrieve(succeeded[0].id).to_dict() == succeeded[0].to_dict()
