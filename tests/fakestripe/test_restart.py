"""A killed server goes on where it was."""

import signal
from pathlib import Path

import pytest
import stripe

from tests.fakestripe.conftest import client
from tests.fakestripe.payments import hold, paid, refused, until
from tools.fakestripe.client import Server


def test_payments_keys_faults_and_the_clock_outlive_a_crash(data: Path) -> None:
    with Server.start(data) as before:
        before.control.advance(1000)
        before.control.set(hold_seconds=5000)
        api = client(before.address)
        held = hold(api, "hold")
        refund = api.v1.refunds.create(
            {"payment_intent": paid(api, payment_method="pm_card_pendingRefund").id}
        )
        before.control.fault("capture", "answer_lost")
        before.control.fault("cancel", "rate_limited")
        with pytest.raises(stripe.APIConnectionError):
            api.v1.payment_intents.capture(held.id, {}, {"idempotency_key": "capture"})
        ledger, calls = before.control.ledger(), before.control.calls()
        before.kill()

    with Server.start(data) as after:
        api = client(after.address)
        assert after.control.ledger() == ledger
        assert after.control.calls() == calls
        assert hold(api, "hold").id == held.id
        captured = api.v1.payment_intents.capture(held.id, {}, {"idempotency_key": "capture"})
        assert captured.last_response is not None
        assert captured.last_response.headers["Idempotent-Replayed"] == "true"
        assert after.control.ledger() == ledger
        assert refused(lambda: api.v1.payment_intents.cancel(held.id)).http_status == 429

        after.control.advance(60)
        assert api.v1.refunds.retrieve(refund.id).status == "succeeded"
        expiring = hold(api)
        after.control.advance(5000)
        assert api.v1.payment_intents.retrieve(expiring.id).status == "canceled"


def test_a_call_that_was_under_way_at_the_crash_was_not_carried_out(data: Path) -> None:
    with Server.start(data) as before:
        before.control.fault("authorize", "slow", seconds=600)
        refused(lambda: hold(client(before.address, timeout=0.2), "k"))
        until(before.control.calls)
        before.kill()
    with Server.start(data) as after:
        assert after.control.ledger()["payments"] == []
        assert hold(client(after.address), "k").status == "requires_capture"


def test_it_ends_quietly_when_told_even_while_calls_hang(data: Path) -> None:
    with Server.start(data) as server:
        server.control.fault("authorize", "hang_before")
        refused(lambda: hold(client(server.address, timeout=0.2)))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0


def test_a_file_that_another_server_has_is_refused(data: Path) -> None:
    with Server.start(data) as first:
        with pytest.raises(RuntimeError, match="ended with code 1"):
            Server.start(data)
        assert hold(client(first.address)).status == "requires_capture"


def test_a_port_that_is_taken_is_told(data: Path, tmp_path: Path) -> None:
    with Server.start(data) as server:
        taken = int(server.address.rpartition(":")[2])
        with pytest.raises(RuntimeError, match="ended with code 1"):
            Server.start(tmp_path / "other.sqlite3", port=taken)
