"""Each fault with each operation: what was done, what the shop sees, and that the key helps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from tests.fakestripe.conftest import client
from tests.fakestripe.payments import ORDER, error_of, hold, params, refused, until
from tools.fakestripe.client import Control, Server

Options = Any


@dataclass(frozen=True)
class Operation:
    """An operation, and the ledger of its order once it was carried out."""

    given: Callable[[stripe.StripeClient], str]
    ask: Callable[[stripe.StripeClient, str, Options], Any]
    before: tuple[int, int, int]
    after: tuple[int, int, int]  # held, captured, refunded


def nothing(api: stripe.StripeClient) -> str:
    return ""


def held(api: stripe.StripeClient) -> str:
    return hold(api).id


def taken(api: stripe.StripeClient) -> str:
    return api.v1.payment_intents.capture(hold(api).id).id


WRITING = {
    "authorize": Operation(
        nothing,
        lambda api, _, options: api.v1.payment_intents.create(params(), options),  # type: ignore[arg-type]
        (0, 0, 0),
        (1200, 0, 0),
    ),
    "capture": Operation(
        held,
        lambda api, intent, options: api.v1.payment_intents.capture(intent, {}, options),
        (1200, 0, 0),
        (0, 1200, 0),
    ),
    "cancel": Operation(
        held,
        lambda api, intent, options: api.v1.payment_intents.cancel(intent, {}, options),
        (1200, 0, 0),
        (0, 0, 0),
    ),
    "refund": Operation(
        taken,
        lambda api, intent, options: api.v1.refunds.create({"payment_intent": intent}, options),
        (0, 1200, 0),
        (0, 1200, 1200),
    ),
}
READING = {
    "retrieve": Operation(
        held,
        lambda api, intent, options: api.v1.payment_intents.retrieve(intent, {}, options),
        (1200, 0, 0),
        (1200, 0, 0),
    ),
    "search": Operation(
        held,
        lambda api, _, options: api.v1.payment_intents.search(
            {"query": f"metadata['order_id']:'{ORDER}'"}, options
        ),
        (1200, 0, 0),
        (1200, 0, 0),
    ),
}
# What the SDK raises, and whether the operation was carried out.
FAULTS: dict[str, tuple[type[stripe.StripeError], bool]] = {
    "refused": (stripe.APIConnectionError, False),
    "error_before": (stripe.APIError, False),
    "conflict": (stripe.APIError, False),
    "rate_limited": (stripe.RateLimitError, False),
    "answer_lost": (stripe.APIConnectionError, True),
    "answer_cut": (stripe.APIConnectionError, True),
}
STATUSES = {"error_before": 500, "conflict": 409, "rate_limited": 429}


def money(control: Control) -> tuple[int, int, int]:
    """What is held, captured and refunded for the order."""
    orders = control.ledger()["orders"]
    order = orders.get(ORDER, {"held": 0, "captured": 0, "refunded": 0})
    return order["held"], order["captured"], order["refunded"]


def settled(control: Control) -> None:
    """The last call of the API has come to its end."""
    until(lambda: control.calls()[-1]["status"] is not None)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WRITING)
def test_the_same_key_again_makes_good_what_went_wrong(
    api: stripe.StripeClient, control: Control, name: str, fault: str
) -> None:
    operation, (seen, executed) = WRITING[name], FAULTS[fault]
    subject = operation.given(api)
    control.fault(name, fault)
    error = refused(lambda: operation.ask(api, subject, {"idempotency_key": "k"}))
    assert isinstance(error, seen)
    assert error.http_status == STATUSES.get(fault)
    assert money(control) == (operation.after if executed else operation.before)

    answer = operation.ask(api, subject, {"idempotency_key": "k"})
    replayed = answer.last_response.headers.get("Idempotent-Replayed")
    assert replayed == ("true" if executed else None)
    assert money(control) == operation.after
    first, second = control.calls()[-2:]
    assert (first["operation"], first["fault"], first["key"]) == (name, fault, "k")
    assert (second["fault"], second["replayed"]) == (None, int(executed))


@pytest.mark.parametrize("name", WRITING)
def test_an_error_after_the_effect_is_what_the_key_says_from_then_on(
    api: stripe.StripeClient, control: Control, name: str
) -> None:
    operation = WRITING[name]
    subject = operation.given(api)
    control.fault(name, "error_after")
    for _ in range(2):
        error = refused(lambda: operation.ask(api, subject, {"idempotency_key": "k"}))
        assert (type(error), error.http_status) == (stripe.APIError, 500)
    assert money(control) == operation.after
    assert [call["replayed"] for call in control.calls()[-2:]] == [0, 1]


@pytest.mark.parametrize(("fault", "executed"), [("hang_before", False), ("hang_after", True)])
@pytest.mark.parametrize("name", WRITING)
def test_after_a_silence_the_same_key_tells(
    server: Server,
    api: stripe.StripeClient,
    control: Control,
    name: str,
    fault: str,
    executed: bool,
) -> None:
    operation = WRITING[name]
    subject = operation.given(api)
    control.fault(name, fault)
    impatient = client(server.address, timeout=0.2)
    error = refused(lambda: operation.ask(impatient, subject, {"idempotency_key": "k"}))
    assert isinstance(error, stripe.APIConnectionError)
    until(lambda: control.calls()[-1]["fault"] == fault)
    if executed:
        settled(control)
    assert money(control) == (operation.after if executed else operation.before)

    answer = operation.ask(api, subject, {"idempotency_key": "k"})
    replayed = answer.last_response.headers.get("Idempotent-Replayed")
    assert replayed == ("true" if executed else None)
    assert money(control) == operation.after


@pytest.mark.parametrize("name", WRITING)
def test_a_slow_call_is_carried_out_though_the_caller_has_gone(
    server: Server, api: stripe.StripeClient, control: Control, name: str
) -> None:
    operation = WRITING[name]
    subject = operation.given(api)
    control.fault(name, "slow", seconds=600)
    impatient = client(server.address, timeout=0.2)
    refused(lambda: operation.ask(impatient, subject, {"idempotency_key": "k"}))
    until(lambda: control.calls()[-1]["fault"] == "slow")
    assert money(control) == operation.before
    in_use = error_of(lambda: operation.ask(api, subject, {"idempotency_key": "k"}))
    assert in_use["code"] == "idempotency_key_in_use"

    control.release()
    until(lambda: money(control) == operation.after)
    answer = operation.ask(api, subject, {"idempotency_key": "k"})
    assert answer.last_response.headers["Idempotent-Replayed"] == "true"
    assert money(control) == operation.after


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", READING)
def test_reading_goes_wrong_and_goes_well_again(
    api: stripe.StripeClient, control: Control, name: str, fault: str
) -> None:
    operation = READING[name]
    subject = operation.given(api)
    control.fault(name, fault)
    assert isinstance(refused(lambda: operation.ask(api, subject, {})), FAULTS[fault][0])
    assert operation.ask(api, subject, {})
    assert money(control) == operation.after


@pytest.mark.parametrize("name", READING)
def test_reading_meets_errors_after_and_silence_too(
    server: Server, api: stripe.StripeClient, control: Control, name: str
) -> None:
    operation = READING[name]
    subject = operation.given(api)
    control.fault(name, "error_after")
    assert refused(lambda: operation.ask(api, subject, {})).http_status == 500
    impatient = client(server.address, timeout=0.2)
    for fault in ("hang_before", "hang_after", "slow"):
        control.fault(name, fault, seconds=600)
        error = refused(lambda: operation.ask(impatient, subject, {}))
        assert isinstance(error, stripe.APIConnectionError)
        until(lambda fault=fault: control.calls()[-1]["fault"] == fault)
    control.release()
    assert operation.ask(api, subject, {})


def test_what_was_asked_before_a_reset_is_not_carried_out_after_it(
    server: Server, api: stripe.StripeClient, control: Control
) -> None:
    control.fault("authorize", "slow", seconds=600)
    refused(lambda: hold(client(server.address, timeout=0.2), "k"))
    until(control.calls)
    control.reset()
    intent = hold(api)
    assert [payment["id"] for payment in control.ledger()["payments"]] == [intent.id]


def test_who_waits_gets_the_answer_once_it_is_let_go(
    server: Server, control: Control, api: stripe.StripeClient
) -> None:
    control.fault("authorize", "hang_after", seconds=0.05)
    assert hold(api, "k").status == "requires_capture"
    control.fault("authorize", "slow", seconds=0.05)
    assert hold(api, "l").status == "requires_capture"


def test_a_script_is_followed_call_by_call(api: stripe.StripeClient, control: Control) -> None:
    control.fault("retrieve", "none")
    control.fault("retrieve", "error_before", times=2)
    control.fault("any", "rate_limited")
    intent = hold_despite(api, control)
    statuses = []
    for _ in range(4):
        try:
            api.v1.payment_intents.retrieve(intent)
            statuses.append(200)
        except stripe.StripeError as error:
            statuses.append(error.http_status)
    assert statuses == [200, 500, 500, 200]
    assert control.faults() == []


def hold_despite(api: stripe.StripeClient, control: Control) -> str:
    """A hold whose first call takes the fault for any operation."""
    assert refused(lambda: hold(api)).http_status == 429
    return hold(api).id


def test_a_share_of_calls_goes_wrong_the_same_way_for_a_seed(
    api: stripe.StripeClient, control: Control
) -> None:
    def pattern(seed: int) -> list[bool]:
        control.clear_faults()
        control.chance("list", "rate_limited", 30, seed=seed)
        failed = []
        for _ in range(40):
            try:
                api.v1.payment_intents.list()
                failed.append(False)
            except stripe.RateLimitError:
                failed.append(True)
        return failed

    first = pattern(7)
    assert 4 <= sum(first) <= 22
    assert pattern(7) == first
    assert pattern(8) != first


def test_switched_off_nothing_goes_wrong(api: stripe.StripeClient, control: Control) -> None:
    control.chance("any", "error_before", 100)
    assert refused(lambda: hold(api)).http_status == 500
    control.clear_faults()
    assert hold(api).status == "requires_capture"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"operation": "capture", "kind": "explode"}, "kind is one of"),
        ({"operation": "pay", "kind": "slow"}, "operation is one of"),
        ({"kind": "slow"}, "about an operation of the API or about an event"),
        ({"operation": "any", "event": "any", "kind": "slow"}, "about an operation"),
        ({"operation": "any", "kind": "slow", "times": 1, "percent": 5}, "times"),
        ({"operation": "any", "kind": "slow", "times": 0}, "times"),
        ({"operation": "any", "kind": "slow", "percent": 101}, "percent"),
        ({"operation": "any", "kind": "slow", "minutes": 1}, "minutes"),
        ({"event": "any", "kind": "answer_lost"}, "kind is one of"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(
    control: Control, wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        control._call("POST", "faults", wrong)
    assert control.faults() == []
