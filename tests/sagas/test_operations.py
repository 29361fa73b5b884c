"""What people do to sagas: each move with its audit row, refused where it must be."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.steps import Fenced, Happened, PersonNeeded, UndoRefused
from apps.messaging.audit import Actor
from apps.messaging.errors import ReasonMissing
from apps.sagas import operations, selectors
from apps.sagas.errors import (
    CaseSettlesItself,
    EvidenceMissing,
    MoveNotAllowed,
    PauseTooLong,
    SagaMoved,
    UnknownCase,
    UnknownSagaId,
)
from apps.sagas.preview import preview
from apps.sagas.state import (
    Compensate,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    Retry,
    Skip,
    Substitute,
)
from apps.sagas.watchdog import Watchdog
from tests.sagas.listening import created, hear, news
from tests.sagas.scenarios import REFUSALS, SUCCESSES, UNDONE, WRAPPED
from tests.sagas.test_watchdog import Desk, Ears
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
OPAL = Actor(42, "opal")
WHY = {"actor": OPAL, "reason": "The customer called"}


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection]) -> Desk:
    return Desk(databases["sagas"])


def version(desk: Desk, saga_id: UUID) -> int:
    row = desk.owner.execute(
        "SELECT revision FROM sagas_saga WHERE saga_id = %s", [saga_id]
    ).fetchone()
    assert row
    return int(row[0])


def seen(desk: Desk, saga_id: UUID) -> dict[str, Any]:
    """What a person who looks now has in hand."""
    return {"saga_id": saga_id, "version": version(desk, saga_id), **WHY}


def audit(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.owner.execute(
        "SELECT operation, actor_id, actor, subject_kind, step, reason, outcome"
        " FROM sagas_operatoraction ORDER BY id"
    ).fetchall()


def stuck_undo(desk: Desk) -> UUID:
    """A saga whose refund was refused for good outside; all else is undone."""
    saga_id = desk.saga_at("create_shipment")
    hear(news(saga_id, "create_shipment", REFUSALS["create_shipment"]))
    refusal = UndoRefused(reason="The card is closed")
    hear(news(saga_id, "authorize_payment", refusal, action=Action.UNDO))
    for step in ("freeze_price", "reserve_stock", "create_order"):
        hear(news(saga_id, step, UNDONE[step], action=Action.UNDO))
    desk.sent()
    return saga_id


def test_a_saga_is_turned_back(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    desk.sent()

    operations.compensate_saga(**seen(desk, saga_id))

    assert desk.sent() == [("CancelShipment", "create_shipment")]
    assert desk.saga(saga_id)[:3] == ("compensating", "create_shipment", "undo")
    assert audit(desk) == [
        (
            "compensate", 42, "opal", "saga", "", "The customer called",
            "running -> compensating, waits for create_shipment (undo)",
        )
    ]  # fmt: skip


def test_at_the_pivot_it_is_fenced_first(desk: Desk) -> None:
    saga_id = desk.saga_at("capture_payment")
    desk.sent()
    operations.compensate_saga(**seen(desk, saga_id))
    assert desk.sent() == [("Fence", "capture_payment")]
    assert desk.saga(saga_id)[:3] == ("fencing", "capture_payment", "fence")

    hear(news(saga_id, "capture_payment", Fenced(), action=Action.FENCE))

    assert desk.saga(saga_id)[:3] == ("compensating", "create_shipment", "undo")


def test_a_pivot_that_had_happened_only_goes_forward(desk: Desk) -> None:
    saga_id = desk.saga_at("capture_payment")
    operations.compensate_saga(**seen(desk, saga_id))
    happened = Happened(type="PaymentCaptured", event_version=1, event=b'{"amount_cents":1500}')

    hear(news(saga_id, "capture_payment", happened, action=Action.FENCE))

    assert desk.saga(saga_id)[:3] == ("running", "confirm_order", "do")


def test_behind_the_pivot_nothing_is_turned_back(desk: Desk) -> None:
    saga_id = desk.saga_at("confirm_order")
    before = desk.saga(saga_id)
    desk.sent()

    with pytest.raises(MoveNotAllowed, match="only goes forward"):
        operations.compensate_saga(**seen(desk, saga_id))

    assert (desk.saga(saga_id), desk.sent(), audit(desk)) == (before, [], [])


def test_a_step_is_asked_again_at_once(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    desk.sent()

    operations.retry_step(step="freeze_price", **seen(desk, saga_id))

    assert desk.sent() == [("FreezePrice", "freeze_price")]
    assert audit(desk)[0][0] == "retry"


def test_a_gift_is_skipped(desk: Desk) -> None:
    saga_id = uuid7()
    plan = WRAPPED.to_header()
    start = created(saga_id)
    hear(type(start)(start.message_id, start.request, start.event, plan, ""))
    for step in WRAPPED.steps[1:4]:
        hear(news(saga_id, step, SUCCESSES[step]))
    desk.sent()
    operations.skip_step(step="wrap_gift", **seen(desk, saga_id))
    assert desk.sent() == [("UnwrapGift", "wrap_gift")]

    hear(news(saga_id, "wrap_gift", UNDONE["wrap_gift"], action=Action.UNDO))

    assert desk.saga(saga_id)[:3] == ("running", "create_shipment", "do")


def test_what_is_not_skippable_is_not_skipped(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")

    with pytest.raises(MoveNotAllowed, match="definition does not say so"):
        operations.skip_step(step="freeze_price", **seen(desk, saga_id))


def test_a_paused_saga_takes_answers_and_sends_nothing_until_it_is_resumed(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    desk.sent()
    until = datetime.now(UTC) + timedelta(hours=1)
    operations.pause_saga(until=until, **seen(desk, saga_id))
    hear(news(saga_id, "freeze_price", SUCCESSES["freeze_price"]))
    desk.time_passes()
    Watchdog(Ears()).turn()
    assert desk.sent() == []
    assert desk.saga(saga_id) == ("running", "authorize_payment", "do", 1, 0)

    operations.resume_saga(**seen(desk, saga_id))

    assert desk.sent() == [("AuthorizePayment", "authorize_payment")]
    assert [each[0] for each in audit(desk)] == ["pause", "resume"]


def test_a_saga_whose_deadline_passes_in_a_pause_turns_back_when_it_is_resumed(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    until = datetime.now(UTC) + timedelta(hours=1)
    operations.pause_saga(until=until, **seen(desk, saga_id))
    hear(news(saga_id, "create_shipment", SUCCESSES["create_shipment"]))
    desk.time_passes("deadline")
    desk.sent()

    operations.resume_saga(**seen(desk, saga_id))

    assert desk.sent() == [("CancelShipment", "create_shipment")]  # the pivot was never sent


def test_a_pause_ends_by_itself(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    until = datetime.now(UTC) + timedelta(hours=1)
    operations.pause_saga(until=until, **seen(desk, saga_id))
    desk.sent()
    desk.time_passes("pause")

    Watchdog(Ears()).turn()

    assert desk.sent() == [("FreezePrice", "freeze_price")]
    assert desk.events(saga_id)[-1] == "resumed"


@pytest.mark.parametrize("hours", [-1, 24 * 8])
def test_a_pause_has_an_end_within_a_week(desk: Desk, hours: int) -> None:
    saga_id = desk.saga_at("freeze_price")

    until = datetime.now(UTC) + timedelta(hours=hours)

    with pytest.raises(PauseTooLong):
        operations.pause_saga(until=until, **seen(desk, saga_id))
    assert audit(desk) == []


# --- the desk


def test_out_of_stuck_by_retry(desk: Desk) -> None:
    saga_id = stuck_undo(desk)
    assert desk.saga(saga_id)[:2] == ("stuck", None)
    assert desk.cases() == [("stuck", "authorize_payment", "undo", "The card is closed", "")]

    operations.retry_step(step="authorize_payment", **seen(desk, saga_id))

    assert desk.sent() == [("RefundPayment", "authorize_payment")]
    refunded = news(
        saga_id, "authorize_payment", UNDONE["authorize_payment"], action=Action.UNDO, generation=2
    )
    hear(refunded)
    assert desk.saga(saga_id)[0] == "undone"
    assert desk.cases() == [("stuck", "authorize_payment", "undo", "The card is closed", "undone")]


def test_a_case_changes_by_news_and_not_by_each_sending(desk: Desk) -> None:
    saga_id = stuck_undo(desk)
    [before] = selectors.cases(open_only=True, limit=9)

    operations.retry_step(step="authorize_payment", **seen(desk, saga_id))

    assert selectors.cases(open_only=True, limit=9) == [before]
    again = UndoRefused(reason="The account is closed too")
    hear(news(saga_id, "authorize_payment", again, action=Action.UNDO, generation=2))
    [after] = selectors.cases(open_only=True, limit=9)
    assert (after.reason, after.version) == ("The account is closed too", before.version + 1)


def test_out_of_stuck_by_evidence(desk: Desk) -> None:
    saga_id = stuck_undo(desk)

    operations.resolve_step(
        step="authorize_payment", evidence="transfer 4711", **seen(desk, saga_id)
    )

    assert desk.sent() == [("ResolveOutside", "authorize_payment")]
    answer = UNDONE["authorize_payment"]
    hear(news(saga_id, "authorize_payment", answer, action=Action.UNDO, generation=2))
    assert desk.saga(saga_id)[0] == "undone"


def test_out_of_stuck_by_a_substitute(desk: Desk) -> None:
    saga_id = stuck_undo(desk)

    operations.substitute_step(
        step="authorize_payment", command="CreditInstead", **seen(desk, saga_id)
    )

    assert desk.sent() == [("CreditInstead", "authorize_payment")]
    assert desk.events(saga_id)[-1] == "sent_again"


def test_what_is_no_substitute_is_named(desk: Desk) -> None:
    saga_id = stuck_undo(desk)

    with pytest.raises(MoveNotAllowed, match="there are: CreditInstead"):
        operations.substitute_step(
            step="authorize_payment", command="ReleaseStock", **seen(desk, saga_id)
        )


def test_a_stuck_pivot_is_recorded_as_happened(desk: Desk) -> None:
    saga_id, dog = desk.saga_at("capture_payment"), Watchdog(Ears())
    for _ in range(5):
        desk.time_passes()
        dog.turn()
    desk.sent()

    operations.record_outcome(step="capture_payment", evidence="seen there", **seen(desk, saga_id))

    assert desk.sent() == [("RecordHappened", "capture_payment")]
    assert desk.saga(saga_id)[0] == "stuck"  # until its barrier has answered


def test_a_case_gets_an_owner_and_notes(desk: Desk) -> None:
    stuck_undo(desk)
    row = desk.owner.execute("SELECT id FROM sagas_case").fetchone()
    assert row
    mine = {"owner": OPAL, **WHY}

    assert operations.assign_case(case_id=row[0], version=1, **mine) == 2
    operations.add_note(case_id=row[0], **WHY)

    assert desk.owner.execute("SELECT owner_id, owner FROM sagas_case").fetchall() == [(42, "opal")]
    assert [each[0] for each in audit(desk)] == ["assign", "note"]
    with pytest.raises(SagaMoved):
        operations.assign_case(case_id=row[0], version=1, **mine)
    with pytest.raises(UnknownCase):
        operations.assign_case(case_id=uuid7(), version=1, **mine)


# --- refused


def test_a_saga_that_moved_is_not_touched(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    looked = seen(desk, saga_id)
    hear(news(saga_id, "freeze_price", SUCCESSES["freeze_price"]))
    before = desk.saga(saga_id)
    desk.sent()

    with pytest.raises(SagaMoved, match="look again"):
        operations.compensate_saga(**looked)

    assert (desk.saga(saga_id), desk.sent(), audit(desk)) == (before, [], [])


@pytest.mark.parametrize("reason", ["", "  ", "42 !"])
def test_nothing_is_done_without_a_reason(desk: Desk, reason: str) -> None:
    saga_id = desk.saga_at("freeze_price")
    before = desk.saga(saga_id)
    desk.sent()

    with pytest.raises(ReasonMissing):
        operations.compensate_saga(**seen(desk, saga_id) | {"reason": reason})

    assert (desk.saga(saga_id), desk.sent(), audit(desk)) == (before, [], [])


def test_a_saga_that_does_not_exist_is_told(desk: Desk) -> None:
    with pytest.raises(UnknownSagaId):
        operations.compensate_saga(saga_id=uuid7(), version=1, **WHY)


def test_of_two_people_one_wins_and_the_other_is_told(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    looked = seen(desk, saga_id)

    first, second = sorted(
        at_once(
            lambda: operations.compensate_saga(**looked),
            lambda: operations.retry_step(step="freeze_price", **looked),
        ),
        key=lambda result: isinstance(result, Exception),
    )

    assert first == looked["version"] + 1
    assert isinstance(second, SagaMoved)
    assert len(audit(desk)) == 1


def test_the_runtime_role_cannot_rewrite_the_audit(desk: Desk) -> None:
    from apps.messaging.database import Database

    for statement in ("UPDATE sagas_operatoraction SET reason = 'x'",
                      "DELETE FROM sagas_operatoraction"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            Database("sagas").execute(statement)


def test_a_case_that_nothing_else_closes_is_closed_by_hand(desk: Desk) -> None:
    missed = PersonNeeded(kind="start_lost", context="orders", reason="Nobody takes it on")
    hear(news(uuid7(), "create_order", missed))
    [case] = selectors.cases(open_only=True, limit=9)
    with pytest.raises(SagaMoved):
        operations.close_case(case_id=case.id, version=2, **WHY)

    operations.close_case(case_id=case.id, version=case.version, **WHY)

    assert desk.cases()[0][-1] == "hand"
    assert [each[0] for each in audit(desk)] == ["close"]
    with pytest.raises(UnknownCase):
        operations.close_case(case_id=case.id, version=case.version, **WHY)


def test_what_a_saga_has_on_the_desk_is_not_closed_by_hand(desk: Desk) -> None:
    stuck_undo(desk)
    [case] = selectors.cases(open_only=True, limit=9)

    with pytest.raises(CaseSettlesItself, match="retry, resolve or substitute"):
        operations.close_case(case_id=case.id, version=case.version, **WHY)

    assert selectors.cases(open_only=True, limit=9) == [case]
    assert audit(desk) == []


# --- previews


def test_a_preview_tells_what_is_undone_in_money_and_pieces(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    before = desk.saga(saga_id)

    found = preview(saga_id=saga_id, move=Compensate("The customer called"))

    assert found.allowed
    assert found.version == version(desk, saga_id)
    assert [each.step for each in found.undone] == [
        "create_shipment", "authorize_payment", "freeze_price", "reserve_stock", "create_order",
    ]  # fmt: skip
    assert (found.money_cents, found.currency, found.pieces) == (1500, "GBP", 6)
    assert found.asked_now == ("CancelShipment",)
    assert found.customer_is_told == ("that 15.00 is given back", "that the order is cancelled")
    assert found.cannot_be_undone == (
        "Not known to have happened, undone if it did: create_shipment.",
    )
    assert desk.saga(saga_id) == before


def test_a_preview_at_the_pivot_says_that_a_fence_decides(desk: Desk) -> None:
    found = preview(saga_id=desk.saga_at("capture_payment"), move=Compensate("why"))

    assert found.only_if_fenced
    assert found.asked_now == ("Fence",)
    assert found.undone[0].step == "create_shipment"
    assert "nothing is undone and the saga goes forward" in found.cannot_be_undone[0]


@pytest.mark.parametrize("move", [Skip("freeze_price"), Resolve("freeze_price", "x")])
def test_a_preview_of_what_is_not_allowed_says_why(desk: Desk, move: Any) -> None:
    found = preview(saga_id=desk.saga_at("freeze_price"), move=move)

    assert not found.allowed
    assert found.why_not
    assert (found.asked_now, found.undone) == ((), ())


def test_a_preview_of_a_retry_undoes_nothing(desk: Desk) -> None:
    found = preview(saga_id=desk.saga_at("freeze_price"), move=Retry("freeze_price"))

    assert (found.allowed, found.asked_now, found.undone) == (True, ("FreezePrice",), ())


@pytest.mark.parametrize(
    ("move", "by", "told"),
    [
        (Retry("authorize_payment"), "", "that 15.00 is given back"),
        (Resolve("authorize_payment", "receipt 4711"), "ResolveOutside",
         "that 15.00 is given back"),
        (Substitute("authorize_payment", "CreditInstead"), "CreditInstead",
         "that up to 15.00 is given back"),
    ],
)  # fmt: skip
def test_a_preview_at_the_desk_tells_the_money(desk: Desk, move: Any, by: str, told: str) -> None:
    found = preview(saga_id=stuck_undo(desk), move=move)

    assert [(each.step, each.by) for each in found.undone] == [("authorize_payment", by)]
    assert found.money_cents == 1500
    assert found.customer_is_told == (told,)


def test_where_only_the_desk_is_open_its_steps_are_named(desk: Desk) -> None:
    saga_id = stuck_undo(desk)
    found = preview(saga_id=saga_id, move=Compensate("why"))

    assert "(authorize_payment), which can be retried, resolved or substituted" in found.why_not


def test_a_preview_of_a_step_in_doubt_tells_what_it_may_have_taken(desk: Desk) -> None:
    found = preview(saga_id=desk.saga_at("authorize_payment"), move=Compensate("why"))

    first = found.undone[0]
    assert (first.step, first.known, first.money_cents) == ("authorize_payment", False, 1500)
    assert found.customer_is_told == (
        "that up to 15.00 is given back", "that the order is cancelled",
    )  # fmt: skip


def test_a_preview_of_an_end_of_a_pause_knows_that_the_deadline_is_over(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    desk.owner.execute("UPDATE sagas_saga SET paused_until = now() + interval '1 day'")
    assert preview(saga_id=saga_id, move=Resume()).asked_now == ("CreateShipment",)

    desk.time_passes("deadline")

    found = preview(saga_id=saga_id, move=Resume())
    assert found.asked_now == ("CancelShipment",)
    assert found.customer_is_told[-1] == "that the order is cancelled"


def test_a_preview_of_a_pause_undoes_nothing(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    hear(news(saga_id, "create_shipment", REFUSALS["create_shipment"]))

    found = preview(saga_id=saga_id, move=Pause())

    assert (found.allowed, found.asked_now, found.undone) == (True, (), ())


def test_a_preview_of_what_is_paused_tells_what_follows_when_the_pause_is_over(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    before = preview(saga_id=saga_id, move=Compensate("x"))
    until = datetime.now(UTC) + timedelta(hours=1)
    operations.pause_saga(until=until, **seen(desk, saga_id))

    found = preview(saga_id=saga_id, move=Compensate("x"))

    assert (found.allowed, found.asked_now) == (True, ())
    assert (found.undone, found.money_cents) == (before.undone, 1500)
    assert "It is paused: nothing of this is asked before the pause is over." in (
        found.cannot_be_undone
    )


def test_a_preview_of_a_recorded_pivot_tells_what_follows(desk: Desk) -> None:
    saga_id = desk.saga_at("capture_payment")
    desk.owner.execute("UPDATE sagas_saga SET status = 'stuck'")

    found = preview(saga_id=saga_id, move=RecordOutcome("capture_payment", "statement 7"))

    assert found.follows == ("confirm_order", "send_confirmation")
    assert found.customer_is_told == ("that 15.00 is paid", "that the order is confirmed")


@pytest.mark.parametrize("evidence", ["", "  ", "..."])
def test_without_evidence_nothing_is_resolved_or_recorded(desk: Desk, evidence: str) -> None:
    saga_id = stuck_undo(desk)
    for act in (operations.resolve_step, operations.record_outcome):
        with pytest.raises(EvidenceMissing, match="how it can be proven"):
            act(step="authorize_payment", evidence=evidence, **seen(desk, saga_id))

    assert (desk.sent(), audit(desk)) == ([], [])
