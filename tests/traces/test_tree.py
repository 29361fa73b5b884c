"""An order from the customer's request to its end, by real processes: one trace, parents right."""

from uuid import UUID, uuid4

import psycopg
import pytest

from apps.contracts.plan import Mode
from tests.e2e.world import drive
from tests.otlp import Receiver, Span, tree
from tests.traces.platform import TOKEN, TracedPlatform

Databases = dict[str, psycopg.Connection]
CUSTOMERS_SPAN = "b7ad6b7169203331"
TREE = """\
web: POST api/v1/orders
  web: publish OrderCreated
    notifications: handle OrderCreated
    sagas: handle OrderCreated
      sagas: publish ReserveStock
        inventory: handle ReserveStock
          inventory: publish StockReserved
            orders: handle StockReserved
            sagas: handle StockReserved
              sagas: publish FreezePrice
                pricing: handle FreezePrice
                  pricing: publish PriceFrozen
                    sagas: handle PriceFrozen
                      sagas: publish AuthorizePayment
                        payments: handle AuthorizePayment
                          worker: call authorize
                            worker: publish PaymentAuthorized
                              sagas: handle PaymentAuthorized
                                sagas: publish CreateShipment
                                  shipping: handle CreateShipment
                                    shipping: publish ShipmentCreated
                                      sagas: handle ShipmentCreated
                                        sagas: publish CapturePayment
                                          payments: handle CapturePayment
                                            worker: call capture
                                              worker: publish PaymentCaptured
                                                orders: handle PaymentCaptured
                                                sagas: handle PaymentCaptured
                                                  sagas: publish ConfirmOrder
                                                    orders: handle ConfirmOrder
                                                      orders: publish OrderConfirmed
                                                        sagas: handle OrderConfirmed
                                                          sagas: publish SendConfirmation
                                                            notifications: handle SendConfirmation
                                                              notifications: publish ConfirmationSent
                                                                sagas: handle ConfirmationSent
                                                                  sagas: publish SagaEnded
                                                        shipping: handle OrderConfirmed
                                                          shipping: publish ShipmentHandedOver
                                                            inventory: handle ShipmentHandedOver
                                                            notifications: handle ShipmentHandedOver
                                                            orders: handle ShipmentHandedOver
"""  # noqa: E501  it is as deep as the saga is long
SPANS = len(TREE.splitlines())


@pytest.fixture
def trace_id(platform: TracedPlatform) -> str:
    """The trace of a customer who has ordered by card, when all of it is there."""
    trace_id = uuid4().hex
    platform.sign_in()
    assert platform.look("/nowhere/ada?mail=ada@example.com") == 404
    assert platform.look("/health/live?ada") == 200
    given = f"00-{trace_id}-{CUSTOMERS_SPAN}-01"
    assert platform.order(given) == 202
    platform.wait_until_ended(1)
    platform.receiver.wait_until(lambda: len(platform.receiver.of(trace_id)) >= SPANS)
    return trace_id


def test_an_order_is_one_trace_from_the_request_to_its_end(
    receiver: Receiver, databases: Databases, trace_id: str
) -> None:
    spans = receiver.of(trace_id)
    assert tree(spans) == TREE
    [request] = [each for each in spans if each.kind == "server"]
    assert request.parent_id == CUSTOMERS_SPAN
    row = databases["sagas"].execute("SELECT saga_id FROM sagas_saga").fetchone()
    assert row
    assert {each.facts["saga_id"] for each in spans} == {str(row[0])}
    assert not any(each.failed or each.events for each in spans)
    assert_told_of_reserving(spans, str(row[0]))
    assert_woken(receiver, spans)
    assert_nothing_personal(receiver)


def assert_told_of_reserving(spans: list[Span], saga_id: str) -> None:
    """What a message's span tells, by the conventions and in our own words."""
    [handled] = [each for each in spans if each.name == "handle ReserveStock"]
    assert handled.kind == "consumer"
    place = ("messaging.destination.partition.id", "messaging.kafka.offset", "messaging.message.id")
    assert set(place) < set(handled.facts)
    assert {name: each for name, each in handled.facts.items() if name not in place} == {
        "saga_id": saga_id,
        "saga.step": "reserve_stock",
        "saga.action": "do",
        "saga.generation": 1,
        "saga.mode": "orchestrated",
        "saga.message": "ReserveStock",
        "saga.context": "inventory",
        "saga.decision": "run",
        "messaging.system": "kafka",
        "messaging.operation.name": "handle",
        "messaging.operation.type": "process",
        "messaging.destination.name": "test.inventory-commands",
    }


def assert_woken(receiver: Receiver, spans: list[Span]) -> None:
    """Each call is linked with the wake-up that led to it, which is in a trace of its own."""
    woken = {(each.trace_id, each.span_id) for each in receiver.named("work payments")}
    calls = [each for each in spans if each.name.startswith("call ")]
    assert len(calls) == 2
    for call in calls:
        assert set(call.links) <= woken
        assert len(call.links) == 1


# Of the body, the headers and the addresses of requests; nothing that an id could have in it.
PERSONAL = (
    b"lovelace", b"st james", b"sw1y 4jh", b"london", b"browser", b"example.com", b"nowhere",
    b"127.0.0.1",
)  # fmt: skip


def assert_nothing_personal(receiver: Receiver) -> None:
    """Neither the customer's name, address and browser nor what their request carried."""
    told = b"".join(receiver.bodies).lower()
    assert b"publish ordercreated" in told
    webs = {each.name for each in receiver.spans if each.kind == "server"}
    assert webs == {"GET", "POST api/v1/orders"}
    for word in PERSONAL:
        assert word not in told
    assert {each["x-token"] for each in receiver.headers} == {TOKEN}
    assert not any("baggage" in each or "traceparent" in each for each in receiver.headers)


def test_an_order_that_events_drive_is_one_trace_too(
    platform: TracedPlatform, databases: Databases
) -> None:
    """Each service handles what its neighbour told, and the tracker hears all of it."""
    drive(Mode.CHOREOGRAPHED)
    trace_id, receiver = uuid4().hex, platform.receiver
    platform.sign_in()
    assert platform.order(f"00-{trace_id}-{CUSTOMERS_SPAN}-01") == 202
    platform.wait_until_ended(1)
    receiver.wait_until(lambda: len(receiver.of(trace_id)) >= len(BY_EVENTS.splitlines()))

    spans = receiver.of(trace_id)
    assert tree(spans) == BY_EVENTS
    assert {each.facts["saga_id"] for each in spans} == {saga_id_of(databases)}
    messages = [each for each in spans if each.kind in ("producer", "consumer")]
    assert {each.facts["saga.mode"] for each in messages} == {"choreographed"}
    assert not any(each.failed for each in spans)


def test_a_take_over_is_in_the_trace_of_the_wish_that_led_to_it(
    platform: TracedPlatform, databases: Databases
) -> None:
    """The worker is stopped, so that the saga waits for its payment to be authorized."""
    drive(Mode.CHOREOGRAPHED)
    placing, wishing, receiver = uuid4().hex, uuid4().hex, platform.receiver
    platform.sign_in()
    platform.end("worker")
    assert platform.order(f"00-{placing}-{CUSTOMERS_SPAN}-01") == 202
    platform.wait_until(lambda: platform.count("payments", ASKED) == 1, "the bank to be asked")
    platform.wait_until(lambda: platform.count("sagas", WAITING) == 1, "the tracker")

    assert platform.cancel(order_of(databases), f"00-{wishing}-{CUSTOMERS_SPAN}-01") == 202

    platform.wait_until_ended(1)
    for trace_id, told in ((wishing, TAKEN_OVER), (placing, UP_TO_THE_PAYMENT)):
        receiver.wait_until(lambda: len(receiver.of(trace_id)) >= len(told.splitlines()))  # noqa: B023  called here
        spans = receiver.of(trace_id)
        assert tree(spans) == told
        assert {each.facts["saga_id"] for each in spans} == {saga_id_of(databases)}


ASKED = "SELECT count(*) FROM payments_intent"
WAITING = "SELECT count(*) FROM sagas_saga WHERE pending_step = 'authorize_payment'"
BY_EVENTS = """\
web: POST api/v1/orders
  web: publish OrderCreated
    inventory: handle OrderCreated
      inventory: publish StockReserved
        orders: handle StockReserved
        pricing: handle StockReserved
          pricing: publish PriceFrozen
            fraud: handle PriceFrozen
            payments: handle PriceFrozen
              worker: call authorize
                worker: publish PaymentAuthorized
                  sagas: handle PaymentAuthorized
                  shipping: handle PaymentAuthorized
                    shipping: publish ShipmentCreated
                      payments: handle ShipmentCreated
                        worker: call capture
                          worker: publish PaymentCaptured
                            orders: handle PaymentCaptured
                              orders: publish OrderConfirmed
                                notifications: handle OrderConfirmed
                                  notifications: publish ConfirmationSent
                                    sagas: handle ConfirmationSent
                                      sagas: publish SagaEnded
                                sagas: handle OrderConfirmed
                                shipping: handle OrderConfirmed
                                  shipping: publish ShipmentHandedOver
                                    inventory: handle ShipmentHandedOver
                                    notifications: handle ShipmentHandedOver
                                    orders: handle ShipmentHandedOver
                            sagas: handle PaymentCaptured
                      sagas: handle ShipmentCreated
            sagas: handle PriceFrozen
        sagas: handle StockReserved
    notifications: handle OrderCreated
    sagas: handle OrderCreated
"""
UP_TO_THE_PAYMENT = """\
web: POST api/v1/orders
  web: publish OrderCreated
    inventory: handle OrderCreated
      inventory: publish StockReserved
        orders: handle StockReserved
        pricing: handle StockReserved
          pricing: publish PriceFrozen
            fraud: handle PriceFrozen
            payments: handle PriceFrozen
            sagas: handle PriceFrozen
        sagas: handle StockReserved
    notifications: handle OrderCreated
    sagas: handle OrderCreated
"""
TAKEN_OVER = """\
web: POST api/v1/orders/<uuid:order_id>/cancellations
  web: publish CancelRequested
    sagas: handle CancelRequested
      sagas: publish Fence
        payments: handle Fence
          payments: publish Fenced
            sagas: handle Fenced
              sagas: publish CancelAccepted
                notifications: handle CancelAccepted
                orders: handle CancelAccepted
              sagas: publish CancelShipment
                shipping: handle CancelShipment
                  shipping: publish ShipmentCancelled
                    sagas: handle ShipmentCancelled
                      sagas: publish RefundPayment
                        payments: handle RefundPayment
                          payments: publish PaymentRefunded
                            orders: handle PaymentRefunded
                            sagas: handle PaymentRefunded
                              sagas: publish UnfreezePrice
                                pricing: handle UnfreezePrice
                                  pricing: publish PriceUnfrozen
                                    sagas: handle PriceUnfrozen
                                      sagas: publish ReleaseStock
                                        inventory: handle ReleaseStock
                                          inventory: publish StockReleased
                                            sagas: handle StockReleased
                                              sagas: publish CancelOrder
                                                orders: handle CancelOrder
                                                  orders: publish OrderCancelled
                                                    notifications: handle OrderCancelled
                                                    sagas: handle OrderCancelled
                                                      sagas: publish SagaEnded
"""


def saga_id_of(databases: Databases) -> str:
    """The saga that there is."""
    row = databases["sagas"].execute("SELECT saga_id FROM sagas_saga").fetchone()
    assert row
    return str(row[0])


def order_of(databases: Databases) -> UUID:
    """The order that there is."""
    row = databases["orders"].execute("SELECT id FROM orders_order").fetchone()
    assert row
    return UUID(str(row[0]))


def test_a_saga_that_turns_back_is_one_trace_too(platform: TracedPlatform) -> None:
    trace_id, receiver = uuid4().hex, platform.receiver
    platform.sign_in()
    lines = [{"product_id": "tea", "quantity": 1, "unit_price_cents": 449}]
    assert platform.order(f"00-{trace_id}-{CUSTOMERS_SPAN}-01", lines=lines) == 202
    platform.wait_until_ended(1)
    receiver.wait_until(
        lambda: receiver.of(trace_id) and "SagaEnded" in tree(receiver.of(trace_id))
    )

    path = [each.strip() for each in tree(receiver.of(trace_id)).splitlines()]
    back = path[path.index("pricing: publish PriceFreezeFailed") :]
    assert [each for each in back if each.startswith("sagas: publish")] == [
        "sagas: publish ReleaseStock",
        "sagas: publish CancelOrder",
        "sagas: publish SagaEnded",
    ]
    [released] = [e for e in receiver.of(trace_id) if e.name == "handle ReleaseStock"]
    assert released.facts["saga.decision"] == "undo"


def test_a_trace_that_the_customer_does_not_sample_is_not_told(
    platform: TracedPlatform, databases: Databases
) -> None:
    trace_id = uuid4().hex
    platform.sign_in()
    assert platform.order(f"00-{trace_id}-{CUSTOMERS_SPAN}-00") == 202
    platform.wait_until_ended(1)
    row = databases["sagas"].execute("SELECT traceparent FROM sagas_saga").fetchone()
    assert row
    assert (row[0][3:35], row[0][-2:]) == (trace_id, "00")
    platform.stop()  # which sends what there is to send
    assert platform.receiver.of(trace_id) == []


def test_a_consumer_dies_before_it_sends_and_the_sweep_goes_on_in_the_same_trace(
    platform: TracedPlatform, databases: Databases
) -> None:
    trace_id, receiver = uuid4().hex, platform.receiver
    platform.sign_in()
    platform.kill("inventory")
    spent = platform.logs / f"spent-{trace_id}"
    platform.start_consumer(
        "inventory", FAILPOINT="batch.after_commit@reserve_stock", FAILPOINT_SPENT=str(spent)
    )
    assert platform.order(f"00-{trace_id}-{CUSTOMERS_SPAN}-01") == 202
    platform.processes.pop("inventory").wait(60)
    row = (
        databases["inventory"]
        .execute("SELECT headers::json ->> 'traceparent' FROM inventory_outboxmessage")
        .fetchone()
    )
    assert row
    stored = row[0].split("-")

    platform.start(["inventory"])
    platform.wait_until_ended(1)
    receiver.wait_until(lambda: below(receiver.of(trace_id), stored[2]) == SENT_BY_THE_SWEEP)

    assert stored[1] == trace_id
    # What the process that died had in hand is not told; what hangs on it is.
    assert stored[2] not in {each.span_id for each in receiver.of(trace_id)}


SENT_BY_THE_SWEEP = {
    ("inventory", "resend StockReserved"),
    ("sagas", "handle StockReserved"),
    ("orders", "handle StockReserved"),
}


def below(spans: list[Span], parent_id: str) -> set[tuple[str, str]]:
    """What hangs on a span."""
    return {(each.service, each.name) for each in spans if each.parent_id == parent_id}


def test_a_receiver_that_is_away_harms_no_order_and_is_told_of_once(
    platform: TracedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.stop()
    monkeypatch.setitem(platform.environ, "OTLP_ENDPOINT", "http://127.0.0.1:9")
    platform.start_missing()
    platform.sign_in()
    before = platform.log("sagas")
    assert platform.order(f"00-{uuid4().hex}-{CUSTOMERS_SPAN}-01") == 202
    platform.wait_until_ended(1)
    platform.wait_until(lambda: "traces_not_sent" in platform.log("sagas"), "a warning")
    assert platform.order(f"00-{uuid4().hex}-{CUSTOMERS_SPAN}-01") == 202
    platform.wait_until_ended(2)
    platform.stop()

    said = platform.log("sagas").removeprefix(before)
    assert said.count("traces_not_sent") == 1
    assert "opentelemetry" not in said
    assert TOKEN not in said
