"""Four eyes: above the limit one person asks and another one decides, in the database too."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from pytest_django import Settings
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.steps import UndoRefused
from apps.messaging.audit import Actor
from apps.messaging.database import Database
from apps.messaging.errors import ReasonMissing
from apps.sagas import approvals, operations
from apps.sagas.approvals import (
    act_or_ask,
    approve_request,
    decline_request,
    request_approval,
    withdraw_request,
)
from apps.sagas.errors import (
    AskedAlready,
    EvidenceMissing,
    MoveNotAllowed,
    NotOpen,
    NotYours,
    OwnRequest,
    SagaMoved,
)
from apps.sagas.watchdog import Watchdog
from tests.sagas.listening import hear, news
from tests.sagas.scenarios import REFUSALS, SUCCESSES, UNDONE
from tests.sagas.test_operations import audit, seen, stuck_undo, version
from tests.sagas.test_watchdog import Desk, Ears
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
OPAL, ADA, EVE = Actor(42, "opal"), Actor(43, "ada"), Actor(44, "eve")
BACK = 1500  # what compensating such a saga gives back, in cents


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection], settings: Settings) -> Desk:
    settings.APPROVAL_LIMIT_CENTS = BACK - 1
    return Desk(databases["sagas"])


def asked(desk: Desk, saga_id: UUID, **others: Any) -> dict[str, Any]:
    """What opal asks for, as she sees the saga now."""
    return {
        "operation": "compensate", "saga_id": saga_id, "parameters": {},
        "version": version(desk, saga_id), "actor": OPAL, "reason": "The customer called",
    } | others  # fmt: skip


def decided(desk: Desk, saga_id: UUID, id: UUID, actor: Actor = ADA) -> dict[str, Any]:
    """What somebody decides who sees the saga now."""
    seen = version(desk, saga_id)
    return {"approval_id": id, "version": seen, "actor": actor, "reason": "Looked at it"}


def requests(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.owner.execute(
        "SELECT status, operation, step, money_cents, currency, requester, decided_by, decision"
        " FROM sagas_approval ORDER BY id"
    ).fetchall()


def a_day_passes(desk: Desk) -> None:
    desk.owner.execute(
        "UPDATE sagas_approval SET requested_at = requested_at - interval '24 hours',"
        " expires_at = expires_at - interval '24 hours'"
    )


WAITS = ("open", "compensate", "", BACK, "GBP", "opal", "", "")


def test_above_the_limit_it_is_asked_for_and_nothing_is_done(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    before, seen = desk.saga(saga_id), version(desk, saga_id)
    desk.sent()

    assert act_or_ask(**asked(desk, saga_id))

    assert requests(desk) == [WAITS]
    assert (desk.saga(saga_id), version(desk, saga_id), desk.sent()) == (before, seen, [])
    assert audit(desk) == [
        ("request", 42, "opal", "approval", "", "The customer called",
         "asked for, 15.00 GBP; waits for another person")
    ]  # fmt: skip


def test_a_pause_is_no_way_past_the_second_person(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    until = datetime.now(UTC) + timedelta(minutes=30)
    operations.pause_saga(until=until, **seen(desk, saga_id))
    before = desk.saga(saga_id)

    assert act_or_ask(**asked(desk, saga_id))

    assert desk.saga(saga_id) == before
    assert requests(desk) == [WAITS]


def test_evidence_that_says_nothing_is_not_even_asked_for(desk: Desk, settings: Settings) -> None:
    settings.APPROVAL_LIMIT_CENTS = 0
    saga_id = stuck_undo(desk)
    given = {"step": "authorize_payment", "evidence": " - "}
    before = audit(desk)

    with pytest.raises(EvidenceMissing):
        act_or_ask(**asked(desk, saga_id, operation="resolve", parameters=given))

    assert (requests(desk), audit(desk)) == ([], before)


def test_up_to_the_limit_it_is_done_at_once(desk: Desk, settings: Settings) -> None:
    settings.APPROVAL_LIMIT_CENTS = BACK
    saga_id = desk.saga_at("create_shipment")

    assert act_or_ask(**asked(desk, saga_id)) is None

    assert desk.saga(saga_id)[0] == "compensating"
    assert requests(desk) == []


def test_another_person_approves_and_it_is_carried_out(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    request = request_approval(**asked(desk, saga_id))
    desk.sent()

    now = approve_request(**decided(desk, saga_id, request.id))

    assert now == version(desk, saga_id)
    assert desk.saga(saga_id)[:3] == ("compensating", "create_shipment", "undo")
    assert desk.sent() == [("CancelShipment", "create_shipment")]
    assert requests(desk) == [("approved", *WAITS[1:6], "ada", "Looked at it")]
    assert [(each[0], each[2], each[5]) for each in audit(desk)] == [
        ("request", "opal", "The customer called"),
        ("compensate", "opal", "The customer called"),
        ("approve", "ada", "Looked at it"),
    ]


@pytest.mark.parametrize(
    ("operation", "further", "sent"),
    [
        ("resolve", {"evidence": "transfer 4711"}, "ResolveOutside"),
        ("substitute", {"command": "CreditInstead"}, "CreditInstead"),
    ],
)
def test_what_a_stuck_undo_needs_is_approved_with_its_parameters(
    desk: Desk, operation: str, further: dict[str, str], sent: str
) -> None:
    saga_id = stuck_undo(desk)
    parameters = {"step": "authorize_payment"} | further
    request = act_or_ask(**asked(desk, saga_id, operation=operation, parameters=parameters))
    assert request

    approve_request(**decided(desk, saga_id, request.id))

    assert desk.sent() == [(sent, "authorize_payment")]


def test_a_stuck_saga_may_be_asked_again_meanwhile(desk: Desk) -> None:
    """Otherwise nobody could approve anything: what is stuck is asked every five minutes."""
    saga_id = stuck_undo(desk)
    parameters = {"step": "authorize_payment", "command": "CreditInstead"}
    substitute = asked(desk, saga_id, operation="substitute", parameters=parameters)
    request = request_approval(**substitute)
    desk.time_passes()
    Watchdog(Ears()).turn()
    refusal = UndoRefused(reason="The card is closed")
    hear(news(saga_id, "authorize_payment", refusal, action=Action.UNDO))
    assert version(desk, saga_id) > substitute["version"]
    desk.sent()

    approve_request(**decided(desk, saga_id, request.id))

    assert desk.sent() == [("CreditInstead", "authorize_payment")]


def unanswered_undo(desk: Desk) -> UUID:
    """A saga whose refund got no answer, which goes on being asked; all else is undone."""
    saga_id, dog = desk.saga_at("create_shipment"), Watchdog(Ears())
    hear(news(saga_id, "create_shipment", REFUSALS["create_shipment"]))
    for _ in range(5):
        desk.time_passes()
        dog.turn()
    for step in ("freeze_price", "reserve_stock", "create_order"):
        hear(news(saga_id, step, UNDONE[step], action=Action.UNDO))
    desk.owner.execute("TRUNCATE sagas_lease")  # the next dog's
    return saga_id


def test_sendings_do_not_make_a_request_fall(desk: Desk) -> None:
    saga_id = unanswered_undo(desk)
    parameters = {"step": "authorize_payment", "command": "CreditInstead"}
    request = request_approval(
        **asked(desk, saga_id, operation="substitute", parameters=parameters)
    )
    desk.sent()
    desk.time_passes()
    Watchdog(Ears()).turn()
    assert desk.sent() == [("RefundPayment", "authorize_payment")]

    approve_request(**decided(desk, saga_id, request.id))

    assert desk.sent() == [("CreditInstead", "authorize_payment")]


def test_what_another_person_did_meanwhile_is_a_move(desk: Desk) -> None:
    saga_id = stuck_undo(desk)
    parameters = {"step": "authorize_payment", "evidence": "transfer 4711"}
    request = request_approval(**asked(desk, saga_id, operation="resolve", parameters=parameters))
    operations.retry_step(
        saga_id=saga_id, step="authorize_payment", version=version(desk, saga_id), actor=EVE,
        reason="The bank is back",
    )  # fmt: skip
    desk.sent()

    with pytest.raises(SagaMoved):
        approve_request(**decided(desk, saga_id, request.id))

    assert desk.sent() == []


def test_a_saga_that_moved_is_not_touched_by_an_approval(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    request = request_approval(**asked(desk, saga_id))
    hear(news(saga_id, "create_shipment", SUCCESSES["create_shipment"]))
    before, told = desk.saga(saga_id), audit(desk)
    desk.sent()

    with pytest.raises(SagaMoved):
        approve_request(**decided(desk, saga_id, request.id))

    assert (desk.saga(saga_id), desk.sent(), audit(desk)) == (before, [], told)
    assert requests(desk) == [WAITS]


def test_a_saga_that_moved_since_the_approver_looked_is_not_touched(desk: Desk) -> None:
    saga_id = stuck_undo(desk)
    parameters = {"step": "authorize_payment", "command": "CreditInstead"}
    substitute = asked(desk, saga_id, operation="substitute", parameters=parameters)
    request = request_approval(**substitute)
    looked = decided(desk, saga_id, request.id)
    desk.time_passes()
    Watchdog(Ears()).turn()
    desk.sent()

    with pytest.raises(SagaMoved):
        approve_request(**looked)

    assert desk.sent() == []
    assert requests(desk)[0][0] == "open"


def test_nobody_approves_or_declines_their_own_request(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    request = request_approval(**asked(desk, saga_id))
    before, told = desk.saga(saga_id), audit(desk)

    with pytest.raises(OwnRequest):
        approve_request(**decided(desk, saga_id, request.id, OPAL))
    with pytest.raises(OwnRequest):
        decline_request(approval_id=request.id, actor=OPAL, reason="No")

    assert (desk.saga(saga_id), requests(desk), audit(desk)) == (before, [WAITS], told)


def test_a_declined_request_is_closed_and_nothing_is_done(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    request = request_approval(**asked(desk, saga_id))
    before = desk.saga(saga_id)

    decline_request(approval_id=request.id, actor=ADA, reason="Too much")

    assert requests(desk) == [("declined", *WAITS[1:6], "ada", "Too much")]
    assert desk.saga(saga_id) == before
    assert audit(desk)[-1][:3] == ("decline", 43, "ada")
    with pytest.raises(NotOpen):
        approve_request(**decided(desk, saga_id, request.id, EVE))


def test_who_asked_withdraws_and_nobody_else(desk: Desk) -> None:
    request = request_approval(**asked(desk, desk.saga_at("create_shipment")))

    with pytest.raises(NotYours):
        withdraw_request(approval_id=request.id, actor=ADA, reason="Not mine")
    assert requests(desk) == [WAITS]

    withdraw_request(approval_id=request.id, actor=OPAL, reason="The customer called again")
    assert requests(desk) == [("withdrawn", *WAITS[1:])]
    assert audit(desk)[-1][:3] == ("withdraw", 42, "opal")


def test_a_request_expires_after_a_day(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    request = request_approval(**asked(desk, saga_id))
    a_day_passes(desk)
    before = desk.saga(saga_id)

    with pytest.raises(NotOpen):
        approve_request(**decided(desk, saga_id, request.id))
    with pytest.raises(NotOpen):
        decline_request(approval_id=request.id, actor=ADA, reason="No")

    assert desk.saga(saga_id) == before


def test_what_expired_is_asked_for_anew(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    request_approval(**asked(desk, saga_id))
    a_day_passes(desk)

    request = request_approval(**asked(desk, saga_id))

    assert [each[0] for each in requests(desk)] == ["lapsed", "open"]
    approve_request(**decided(desk, saga_id, request.id))


def test_what_a_saga_has_left_behind_is_asked_for_anew(desk: Desk) -> None:
    saga_id = desk.saga_at("authorize_payment")
    request_approval(**asked(desk, saga_id))
    hear(news(saga_id, "authorize_payment", SUCCESSES["authorize_payment"]))

    request_approval(**asked(desk, saga_id))

    assert [each[0] for each in requests(desk)] == ["lapsed", "open"]


def test_the_same_is_asked_for_once(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    request_approval(**asked(desk, saga_id))
    told = audit(desk)

    with pytest.raises(AskedAlready):
        request_approval(**asked(desk, saga_id, actor=EVE))

    assert (requests(desk), audit(desk)) == ([WAITS], told)


def test_nothing_is_asked_for_without_a_reason_or_of_a_saga_that_moved(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")

    with pytest.raises(ReasonMissing):
        request_approval(**asked(desk, saga_id, reason="42!"))
    with pytest.raises(SagaMoved):
        request_approval(**asked(desk, saga_id, version=1))
    with pytest.raises(SagaMoved):
        act_or_ask(**asked(desk, saga_id, version=1))
    with pytest.raises(MoveNotAllowed):
        request_approval(
            **asked(desk, saga_id, operation="skip", parameters={"step": "create_shipment"})
        )

    assert (requests(desk), audit(desk)) == ([], [])


def test_a_decision_has_a_reason(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    request = request_approval(**asked(desk, saga_id))
    before = desk.saga(saga_id)

    with pytest.raises(ReasonMissing):
        approve_request(**decided(desk, saga_id, request.id) | {"reason": " "})

    assert (desk.saga(saga_id), requests(desk)) == (before, [WAITS])


def test_of_two_approvers_one_wins_and_the_saga_moves_once(desk: Desk) -> None:
    saga_id = desk.saga_at("create_shipment")
    request = request_approval(**asked(desk, saga_id))
    desk.sent()
    ada, eve = (decided(desk, saga_id, request.id, each) for each in (ADA, EVE))

    results = at_once(lambda: approve_request(**ada), lambda: approve_request(**eve))

    assert sorted(type(each) for each in results if isinstance(each, Exception)) == [NotOpen]
    assert desk.sent() == [("CancelShipment", "create_shipment")]
    assert [each[0] for each in audit(desk)] == ["request", "compensate", "approve"]


# --- the database holds it too


def test_the_database_knows_four_eyes(desk: Desk) -> None:
    request = request_approval(**asked(desk, desk.saga_at("create_shipment")))
    own = (approvals.DECIDE, ("approved", OPAL.id, "opal", "why", request.id))
    nobody = (approvals.DECIDE, ("approved", None, "", "why", request.id))

    for statement, values in (own, nobody):
        with pytest.raises(psycopg.errors.CheckViolation):
            Database("sagas").execute(statement, values)

    assert requests(desk) == [WAITS]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM sagas_approval",
        "TRUNCATE sagas_approval",
        "UPDATE sagas_approval SET money_cents = 1",
        "UPDATE sagas_approval SET requester_id = 1",
        "UPDATE sagas_approval SET expires_at = now() + interval '1 year'",
    ],
)
def test_the_runtime_role_cannot_rewrite_what_was_asked_for(desk: Desk, statement: str) -> None:
    request_approval(**asked(desk, desk.saga_at("create_shipment")))

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        Database("sagas").execute(statement)

    assert requests(desk) == [WAITS]


def test_a_request_of_no_id_is_told(desk: Desk) -> None:
    with pytest.raises(NotOpen):
        approve_request(approval_id=uuid7(), version=1, actor=ADA, reason="Looked at it")
