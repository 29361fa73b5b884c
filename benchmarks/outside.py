"""Three ways to make outside calls: one after the other in each of four threads, as workers did
before decision 0049; and many at a time, with as many threads and with as many as Stripe bears."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from django.db import connections
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.payments import AuthorizePayment
from apps.contracts.plan import Mode, Plan
from apps.contracts.values import PaymentMethod
from apps.messaging.batch import Batch
from apps.messaging.calls import carry_out
from apps.messaging.database import Database
from apps.messaging.dispatching import Dispatcher
from apps.messaging.envelope import new_envelope
from apps.messaging.handling import Call
from apps.messaging.intents import IntentTable
from apps.messaging.providers import Provider
from apps.messaging.record import Record
from apps.messaging.request import Request
from apps.messaging.starting import new_traceparent
from apps.messaging.wiring import wiring
from apps.payments import gateways
from apps.payments.gateways import GatewayAnswer

CALLS = 400
TAKES_SECONDS = 0.05
THREADS_BEFORE, AT_ONCE = 4, 16


def run() -> None:
    """Print calls a second of each way, and the ratio to the first."""
    base = 0.0
    for name, way in (
        (f"one by one, {THREADS_BEFORE} threads", one_by_one),
        (f"many, {THREADS_BEFORE} at a time", dispatched(THREADS_BEFORE)),
        (f"many, {AT_ONCE} at a time", dispatched(AT_ONCE)),
    ):
        prepare()
        begun = time.perf_counter()
        way()
        rate = CALLS / (time.perf_counter() - begun)
        base = base or rate
        sys.stdout.write(f"{name:24} {rate:6.0f} calls/s  {rate / base:4.1f}\n")


def one_by_one() -> None:
    """Each thread claims one call, makes it, and claims the next."""
    with ThreadPoolExecutor(THREADS_BEFORE) as pool:
        for each in [pool.submit(_claim_and_call) for _ in range(THREADS_BEFORE)]:
            each.result()


def _claim_and_call() -> None:
    table, lease = IntentTable(Database("payments")), wiring("payments").lease
    while claimed := table.claim(lease, ["authorize"], 1):
        carry_out("payments", claimed[0])
    connections.close_all()


def dispatched(at_once: int) -> Callable[[], None]:
    """As workers do now."""

    def way() -> None:
        with_operation(provider=Provider("bench", at_once))
        dispatcher = Dispatcher("payments", carry_out)
        dispatcher.work()
        dispatcher.close()

    return way


def prepare() -> None:
    """So many cards to be charged, and a gateway that takes its time."""
    Database("payments").execute("DELETE FROM payments_intent")
    gateways.gateway = object  # type: ignore[assignment]  # cards are taken
    with_operation(make=slowly)
    for _ in range(CALLS):
        authorize()


def with_operation(**changes: Any) -> None:
    """Cards are authorized so."""
    calls: Any = wiring("payments").calls
    calls["authorize"] = replace(calls["authorize"], **changes)


def slowly(call: Call) -> GatewayAnswer:
    """The gateway."""
    time.sleep(TAKES_SECONDS)
    return GatewayAnswer(ok=True, reference=call.key)


def authorize() -> None:
    """The command of one order, as its consumer carries it out."""
    saga_id = uuid7()
    command = AuthorizePayment(
        order_id=saga_id, customer_id=7, currency="USD", total_cents=1500,
        payment_method=PaymentMethod.CARD,
    )  # fmt: skip
    steps = ("create_order", "authorize_payment")
    plan = Plan(process="place_order", version=1, mode=Mode.ORCHESTRATED, steps=steps)
    request = Request(saga_id, "authorize_payment", Action.DO, 1, Mode.ORCHESTRATED)
    sent = new_envelope(command, request, plan=plan.to_header(), traceparent=new_traceparent())
    headers: dict[str, bytes | None] = {k: v.encode() for k, v in sent.headers().items()}
    key = str(saga_id).encode()
    Batch("payments", [Record(sent.topic, 0, 0, key, headers, sent.payload)]).carry_out()
