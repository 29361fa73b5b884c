"""Card payments: outside calls behind the barrier, with a gateway that breaks down on demand."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.base import Command, Event, Message
from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditInstead,
    DeclineCode,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    RefundPayment,
)
from apps.contracts.steps import (
    Fence,
    Fenced,
    Happened,
    RecordHappened,
    ResolveOutside,
    StepWaits,
    UndoRefused,
)
from apps.contracts.values import PaymentMethod
from apps.messaging.batch import Batch
from apps.messaging.calls import record as record_outcome
from apps.messaging.calls import work
from apps.messaging.database import Database
from apps.messaging.intents import IntentTable
from apps.messaging.wiring import wiring
from apps.payments import gateways
from apps.payments.gateways import GatewayAnswer
from tests.messaging.kit import envelope, record
from tests.standin import VARIABLE, StandInGateway
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
AUTHORIZED = PaymentAuthorized(amount_cents=1500, payment_method=PaymentMethod.CARD)
CAPTURED = PaymentCaptured(amount_cents=1500)
REFUNDED = PaymentRefunded(amount_cents=1500)
INPUTS = '{"address": {"name": "Ada Lovelace"}}'  # for a step behind
OPERATIONS = ("authorize", "capture", "give_back", "return")


class Till:
    """The payments database and the gateway, as one saga meets them."""

    def __init__(self, owner: psycopg.Connection, gateway: StandInGateway) -> None:
        self.owner, self.gateway, self.saga_id = owner, gateway, uuid7()

    def ask(
        self,
        message: Command,
        step: str,
        action: Action = Action.DO,
        *,
        inputs: str = "",
        **request: Any,
    ) -> None:
        topic = "payments-commands"
        asked = envelope(message, self.saga_id, step=step, action=action, topic=topic, **request)
        Batch("payments", [record(msgspec.structs.replace(asked, inputs=inputs))]).carry_out()

    def authorize(self, **request: Any) -> None:
        command = AuthorizePayment(
            order_id=self.saga_id, customer_id=7, currency="USD", total_cents=1500,
            payment_method=PaymentMethod.CARD,
        )  # fmt: skip
        self.ask(command, "authorize_payment", **request)

    def capture(self) -> None:
        self.ask(CapturePayment(), "capture_payment")

    def undo(self, message: Command | None = None, **request: Any) -> None:
        self.ask(message or RefundPayment(), "authorize_payment", Action.UNDO, **request)

    def fence(self, step: str = "capture_payment") -> None:
        self.ask(Fence(), step, Action.FENCE)

    def told(self) -> list[tuple[str, Message]]:
        """All that payments has told: the action it answers, and the event."""
        rows = self.owner.execute(
            "SELECT headers, payload FROM payments_outboxmessage ORDER BY created_at, id"
        ).fetchall()
        read = [(msgspec.json.decode(headers, type=dict[str, str]), body) for headers, body in rows]
        return [
            (h["action"], msgspec.json.decode(b, type=MESSAGES[h["type"], int(h["version"])]))
            for h, b in read
        ]

    def log(self, step: str = "authorize_payment") -> tuple[str, int] | None:
        row = self.owner.execute(
            "SELECT status, generation FROM payments_sagalog WHERE saga_id = %s AND step = %s",
            [self.saga_id, step],
        ).fetchone()
        return row and tuple(row)  # type: ignore[return-value]

    def intents(self) -> list[tuple[str, str, int]]:
        rows = self.owner.execute(
            "SELECT operation, status, generation FROM payments_intent ORDER BY id"
        )
        return [tuple(row) for row in rows.fetchall()]  # type: ignore[misc]

    def carry_inputs(self) -> list[str]:
        """The calls whose requests have inputs for others."""
        rows = self.owner.execute(
            "SELECT operation FROM payments_intent WHERE request::jsonb ? 'inputs' ORDER BY id"
        )
        return [operation for (operation,) in rows.fetchall()]

    def payment(self) -> tuple[str, int, int] | None:
        row = self.owner.execute(
            "SELECT status, captured_cents, refunded_cents FROM payments_payment"
        ).fetchone()
        return row and tuple(row)  # type: ignore[return-value]

    def time_passes(self) -> None:
        """What waits is due, what is leased is not any more."""
        self.owner.execute(
            "UPDATE payments_intent SET due_at = now() - interval '1 second',"
            " leased_until = leased_until - interval '1 hour'"
        )


@pytest.fixture
def till(
    databases: dict[str, psycopg.Connection],
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Till:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gateway.db"))
    settings.CARD_GATEWAY = "tests.standin.StandInGateway"
    gateways.gateway.cache_clear()
    return Till(databases["payments"], StandInGateway())


def test_a_card_is_charged_outside_and_answered_when_it_is(till: Till) -> None:
    till.authorize()
    assert (till.log(), till.told(), till.payment()) == (("doing", 1), [], None)
    assert till.intents() == [("authorize", "due", 1)]

    assert work("payments") == 1

    assert till.told() == [("do", AUTHORIZED)]
    assert till.log() == ("done", 1)
    assert till.payment() == ("authorized", 0, 0)
    assert till.intents() == [("authorize", "settled", 1)]


def test_a_hold_is_taken_by_a_call_of_its_own(till: Till) -> None:
    till.authorize()
    work("payments")
    till.capture()
    work("payments")

    assert till.told() == [("do", AUTHORIZED), ("do", CAPTURED)]
    assert till.payment() == ("captured", 1500, 0)
    assert till.gateway.effects("capture") == 1


def test_a_declined_card_is_a_refusal(till: Till) -> None:
    till.gateway.will("authorize", "decline")
    till.authorize()
    work("payments")

    declined = PaymentDeclined(code=DeclineCode.CARD_DECLINED, wanted_cents=1500, decline_code="no")
    assert till.told() == [("do", declined)]
    assert (till.log(), till.payment()) == (("refused", 1), None)


def test_another_try_after_a_decline_has_a_key_of_its_own(till: Till) -> None:
    till.gateway.will("authorize", "decline")
    till.authorize()
    work("payments")
    till.authorize(generation=2)
    work("payments")

    assert till.told()[-1] == ("do", AUTHORIZED)
    assert till.log() == ("done", 2)
    assert len(till.gateway.keys("authorize")) == 2


def test_a_lost_answer_is_asked_for_again_under_the_same_key(till: Till) -> None:
    till.gateway.will("authorize", "lost", "away", "lost")
    till.authorize()
    for _ in range(4):
        work("payments")
        till.time_passes()

    assert till.told() == [("do", AUTHORIZED)]
    assert till.gateway.calls("authorize") == 4
    assert till.gateway.effects("authorize") == 1
    assert len(till.gateway.keys("authorize")) == 1


def test_an_unknown_outcome_is_not_asked_for_before_its_pause_is_over(till: Till) -> None:
    till.gateway.will("authorize", "lost")
    till.authorize()
    work("payments")

    assert work("payments") == 0
    assert till.intents() == [("authorize", "unknown", 1)]
    assert till.told() == []


@pytest.mark.parametrize("again", ["authorize", "undo"])
def test_who_asks_again_does_not_wait_for_the_pause_to_be_over(till: Till, again: str) -> None:
    till.gateway.will("authorize", "lost")
    till.authorize()
    work("payments")

    getattr(till, again)()
    assert work("payments") == {"authorize": 1, "undo": 2}[again]  # which then gives it back
    assert till.log() == {"authorize": ("done", 1), "undo": ("undone", 1)}[again]


@pytest.mark.parametrize("time", ["wait:3000", "breaker:3000"])
def test_who_asks_again_is_not_kept_waiting_by_a_time_that_was_named(till: Till, time: str) -> None:
    till.gateway.will("authorize", time)
    till.authorize()
    work("payments")

    till.authorize()
    assert work("payments") == 1
    assert till.log() == ("done", 1)


def test_a_time_that_is_over_already_is_no_reason_to_ask_at_once(till: Till) -> None:
    till.gateway.will("authorize", "wait:-3600")
    till.authorize()

    assert work("payments") == 1
    assert till.intents() == [("authorize", "waiting", 1)]
    [(_, told)] = till.told()
    assert isinstance(told, StepWaits)
    assert told.until > datetime.now(UTC)


def test_the_same_command_again_makes_no_second_call(till: Till) -> None:
    till.authorize()
    till.authorize()
    work("payments")

    assert till.gateway.calls("authorize") == 1
    assert till.told() == [("do", AUTHORIZED)]


# --- undo


def test_an_undo_of_a_hold_is_a_call_as_well(till: Till) -> None:
    till.authorize()
    work("payments")
    till.undo()
    assert till.log() == ("undoing", 1)
    work("payments")

    assert till.told() == [("do", AUTHORIZED), ("undo", REFUNDED)]
    assert till.log() == ("undone", 1)
    assert till.payment() == ("refunded", 0, 0)
    assert till.gateway.standing() == []


def test_a_call_that_was_never_made_is_withdrawn(till: Till) -> None:
    till.authorize()
    till.undo()

    assert till.told() == [("undo", PaymentRefunded(nothing_to_undo=True))]
    assert till.log() == ("tombstone", 1)
    assert work("payments") == 0
    assert till.gateway.calls("authorize") == 0


def test_an_undo_waits_for_a_call_in_flight_and_then_undoes_it(till: Till) -> None:
    till.gateway.will("authorize", "lost", "well")
    till.authorize()
    work("payments")  # charged, the answer is lost
    till.undo()
    assert (till.told(), till.log()) == ([], ("doing", 1))

    till.time_passes()
    work("payments")  # learns that it was charged, and gives it back

    assert till.told() == [("undo", REFUNDED)]
    assert till.log() == ("undone", 1)
    assert till.gateway.effects("authorize") == 1
    assert till.gateway.standing() == []


def test_an_undo_of_a_call_that_is_declined_after_all_undoes_nothing(till: Till) -> None:
    till.gateway.will("authorize", "away")
    till.authorize()
    work("payments")
    till.undo()
    till.time_passes()
    work("payments")  # not wanted any more: the gateway closes it

    assert till.told() == [("undo", PaymentRefunded(nothing_to_undo=True))]
    assert till.log() == ("tombstone", 1)
    assert till.gateway.standing() == []


def test_an_undo_that_is_asked_twice_is_made_once(till: Till) -> None:
    till.authorize()
    work("payments")
    till.undo()
    till.undo()
    work("payments")
    till.undo()

    assert till.gateway.calls("give_back") == 1
    assert till.told()[1:] == [("undo", REFUNDED), ("undo", REFUNDED)]


# --- an undo that is refused


def refused_undo(till: Till) -> None:
    till.gateway.will("give_back", "decline")
    till.authorize()
    work("payments")
    till.undo()
    work("payments")


def test_a_refused_undo_is_told_and_stays_open(till: Till) -> None:
    refused_undo(till)

    assert till.told()[1:] == [("undo", UndoRefused(reason="The gateway gives nothing back (no)"))]
    assert till.log() == ("undoing", 1)
    assert till.intents()[-1] == ("give_back", "refused", 1)
    assert work("payments") == 0  # nobody asks again by themselves


def test_a_refused_undo_is_told_again_to_who_asks_again(till: Till) -> None:
    refused_undo(till)
    till.undo()

    refusal = UndoRefused(reason="The gateway gives nothing back (no)")
    assert till.told()[1:] == [("undo", refusal), ("undo", refusal)]


def test_a_higher_generation_tries_a_refused_undo_again(till: Till) -> None:
    refused_undo(till)
    till.undo(generation=2)
    work("payments")

    assert till.told()[-1] == ("undo", REFUNDED)
    assert till.log() == ("undone", 1)
    assert till.intents()[1:] == [("give_back", "withdrawn", 1), ("give_back", "settled", 2)]
    assert len(till.gateway.keys("give_back")) == 2


def test_a_refused_undo_is_resolved_by_hand(till: Till) -> None:
    refused_undo(till)
    till.undo(ResolveOutside(evidence="bank transfer 4711"), generation=2)

    assert till.told()[-1] == ("undo", REFUNDED)
    assert (till.log(), till.payment()) == (("undone", 1), ("refunded", 0, 0))


def test_a_refused_undo_is_substituted(till: Till) -> None:
    refused_undo(till)
    till.undo(CreditInstead(), generation=2)

    assert till.told()[-1] == ("undo", PaymentRefunded(amount_cents=0))  # a hold lapses by itself
    assert till.log() == ("undone", 1)


def test_what_may_be_under_way_is_not_resolved_by_hand(till: Till) -> None:
    till.gateway.will("give_back", "lost")
    till.authorize()
    work("payments")
    till.undo()
    work("payments")
    told = till.told()
    till.undo(ResolveOutside(evidence="bank transfer 4711"), generation=2)

    assert (till.told(), till.log()) == (told, ("undoing", 1))
    till.time_passes()
    work("payments")
    assert till.told()[len(told) :] == [("undo", REFUNDED)]
    till.undo(ResolveOutside(evidence="bank transfer 4711"), generation=2)  # sent again
    assert till.told()[-1] == ("undo", REFUNDED)
    assert till.gateway.effects("give_back") == 1


# --- Fence


def test_a_fence_of_a_call_that_was_never_made_withdraws_it(till: Till) -> None:
    till.authorize()
    work("payments")
    till.capture()
    till.fence()

    assert till.told()[1:] == [("fence", Fenced())]
    assert till.log("capture_payment") == ("tombstone", 1)
    work("payments")
    assert till.gateway.calls("capture") == 0


def test_a_fence_waits_for_a_call_in_flight_and_tells_that_it_happened(till: Till) -> None:
    till.authorize()
    work("payments")
    till.gateway.will("capture", "lost")
    till.capture()
    work("payments")
    till.fence()
    assert till.told()[1:] == []
    till.time_passes()
    work("payments")

    happened = Happened(
        type="PaymentCaptured", event_version=1, event=msgspec.Raw(b'{"amount_cents":1500}')
    )
    assert till.told()[1:] == [("do", CAPTURED), ("fence", happened)]
    assert till.log("capture_payment") == ("done", 1)


def test_a_fence_of_a_call_that_never_came_through_closes_it(till: Till) -> None:
    till.authorize()
    work("payments")
    till.gateway.will("capture", "away")
    till.capture()
    work("payments")
    till.fence()
    till.time_passes()
    work("payments")

    assert ("fence", Fenced()) in till.told()
    assert till.log("capture_payment") == ("tombstone", 1)
    assert till.gateway.effects("capture") == 0


# --- by hand, waiting, leases


def test_a_person_records_that_a_capture_happened(till: Till) -> None:
    till.authorize()
    work("payments")
    till.gateway.will("capture", "lost", "away", "away")
    till.capture()
    work("payments")
    till.ask(RecordHappened(evidence="seen in the gateway's ledger"), "capture_payment")

    assert till.told()[1:] == [("do", CAPTURED)]
    assert till.payment() == ("captured", 1500, 0)
    till.time_passes()
    assert work("payments") == 0


def test_an_address_is_kept_in_no_call_that_is_withdrawn_or_settled_by_hand(till: Till) -> None:
    till.authorize(inputs=INPUTS)
    assert till.carry_inputs() == ["authorize"]
    till.undo()
    assert (till.intents(), till.carry_inputs()) == ([("authorize", "withdrawn", 1)], [])

    till.saga_id = uuid7()
    till.authorize()
    work("payments")
    till.gateway.will("capture", "lost")
    till.ask(CapturePayment(), "capture_payment", inputs=INPUTS)
    work("payments")
    assert till.carry_inputs() == ["capture"]
    till.ask(RecordHappened(evidence="seen in the gateway's ledger"), "capture_payment")
    assert (till.intents()[-1], till.carry_inputs()) == (("capture", "settled", 1), [])


def test_what_is_done_already_is_told_again_to_who_records_it(till: Till) -> None:
    till.authorize()
    work("payments")
    till.capture()
    work("payments")
    till.ask(RecordHappened(evidence="seen in the gateway's ledger"), "capture_payment")

    assert till.told()[1:] == [("do", CAPTURED)] * 2
    assert till.payment() == ("captured", 1500, 0)


def test_waiting_is_told_and_ends_by_itself(till: Till) -> None:
    till.gateway.will("authorize", "wait:60")
    till.authorize()
    work("payments")

    [(action, event)] = till.told()
    assert action == "do"
    assert isinstance(event, StepWaits)
    assert event.reason == "The bank asks its customer"
    assert till.intents() == [("authorize", "waiting", 1)]
    till.time_passes()
    work("payments")
    assert till.told()[1:] == [("do", AUTHORIZED)]


def test_a_call_that_an_open_breaker_keeps_back_can_still_be_withdrawn(till: Till) -> None:
    till.gateway.will("authorize", "breaker:60", "breaker:60")
    till.authorize()
    for _ in range(2):
        work("payments")
        till.time_passes()
    assert till.intents() == [("authorize", "due", 1)]
    till.undo()

    assert till.told()[-1] == ("undo", PaymentRefunded(nothing_to_undo=True))
    assert till.intents() == [("authorize", "withdrawn", 1)]


def test_a_call_that_may_have_been_made_is_not_withdrawn_by_a_breaker(till: Till) -> None:
    till.gateway.will("authorize", "lost", "breaker:60")
    till.authorize()
    for _ in range(2):
        work("payments")
        till.time_passes()
    assert till.intents() == [("authorize", "waiting", 1)]
    till.undo()

    work("payments")
    assert till.told()[-1] == ("undo", REFUNDED)
    assert till.gateway.standing() == []


def test_a_worker_whose_lease_ran_out_records_nothing(till: Till) -> None:
    till.authorize()
    table = IntentTable(Database("payments"))
    [slow] = table.claim(57, OPERATIONS, 1)
    till.time_passes()
    assert work("payments") == 1
    told = till.told()

    assert record_outcome("payments", slow, GatewayAnswer(ok=True)) is False

    assert (till.told(), till.payment()) == (told, ("authorized", 0, 0))


@pytest.mark.parametrize("wrong", [UndoRefused(reason="no"), PaymentRefunded(amount_cents=1500)])
def test_an_outcome_that_the_request_does_not_allow_changes_nothing(
    till: Till, monkeypatch: pytest.MonkeyPatch, wrong: Event
) -> None:
    till.authorize()
    operation = wiring("payments").calls["authorize"]
    mistaken = replace(operation, record=lambda call, outcome, workspace: wrong)
    with monkeypatch.context() as patch:
        patch.setitem(wiring("payments").calls, "authorize", mistaken)
        work("payments")
    assert (till.log(), till.told()) == (("doing", 1), [])
    assert till.intents() == [("authorize", "unknown", 1)]
    till.time_passes()
    work("payments")
    assert till.log() == ("done", 1)


def test_an_undo_that_waited_is_not_refused_by_a_handler_of_ours(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.gateway.will("authorize", "lost", "well")
    till.authorize()
    work("payments")
    till.undo()
    sound = wiring("payments").commands["RefundPayment", 1]
    unwilling = replace(sound, decide=lambda message, workspace: UndoRefused(reason="no"))
    with monkeypatch.context() as patch:
        patch.setitem(wiring("payments").commands, ("RefundPayment", 1), unwilling)
        till.time_passes()
        work("payments")
    assert till.log() == ("doing", 1)
    assert till.intents() == [("authorize", "unknown", 1)]


def test_a_claimed_call_is_nobody_else_s(till: Till) -> None:
    till.authorize()
    claims = at_once(*[lambda: IntentTable(Database("payments")).claim(57, OPERATIONS, 9)] * 4)

    assert len([each for each in claims if each]) == 1
    assert not [each for each in claims if isinstance(each, Exception)]


def test_a_worker_claims_one_call_also_where_postgresql_believes_that_there_is_none(
    till: Till,
) -> None:
    """Then it may plan to look for the call that is due longest once for each row."""
    till.authorize()
    till.owner.execute("DELETE FROM payments_intent")
    till.owner.execute("ANALYZE payments_intent")
    for _ in range(5):
        till.saga_id = uuid7()
        till.authorize()

    assert len(IntentTable(Database("payments")).claim(57, OPERATIONS, 1)) == 1

    assert sorted(status for _, status, _ in till.intents()) == ["claimed", *["due"] * 4]


def test_calls_about_one_payment_are_made_one_after_the_other(till: Till) -> None:
    till.authorize()
    work("payments")
    till.gateway.will("capture", "lost")
    till.capture()
    work("payments")
    till.undo()  # while the capture's outcome is unknown

    assert work("payments") == 0
    till.time_passes()
    assert work("payments") == 2
    assert [operation for operation, *_ in till.intents()] == ["authorize", "capture", "give_back"]


def test_without_a_gateway_cards_are_not_taken(
    till: Till, settings: Any, databases: dict[str, psycopg.Connection]
) -> None:
    settings.CARD_GATEWAY = ""
    gateways.gateway.cache_clear()
    till.authorize()

    declined = PaymentDeclined(code=DeclineCode.METHOD_UNAVAILABLE, wanted_cents=1500)
    assert till.told() == [("do", declined)]
