"""What payments finds comes onto the desk: a case for each thing, which a person can read."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from uuid_utils.compat import uuid7

from apps.messaging.consumer import carry_out
from apps.messaging.database import Database
from apps.payments.findings import NewFinding, tell
from apps.payments.models import FindingKind
from tests.ops.world import collect
from tests.payments.outside import Told
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
Databases = dict[str, psycopg.Connection]


def finding(saga_id: UUID, reference: str = "re_1", **changes: Any) -> NewFinding:
    found = NewFinding(
        key=f"refund_failed:{reference}",
        kind=FindingKind.REFUND_FAILED,
        saga_id=saga_id,
        order_id=saga_id,
        reference=reference,
        payment_intent="pi_1",
        text=f"The refund {reference} came back.",
    )
    return found._replace(**changes)


def told_now(found: NewFinding) -> bool:
    with Database("payments").transaction():
        return tell(found)


def desk(databases: Databases) -> list[tuple[str, str, str]]:
    """Bring what was told to the engine; kind, what it is about, and why of each case."""
    assert carry_out("sagas", collect(databases["payments"], "payments")) == []
    cases = "SELECT kind, step, reason FROM sagas_case ORDER BY id"
    return databases["sagas"].execute(cases).fetchall()


def test_two_refunds_of_one_order_that_come_back_are_two_cases(databases: Databases) -> None:
    saga_id = uuid7()
    assert told_now(finding(saga_id))
    assert not told_now(finding(saga_id))
    assert told_now(finding(saga_id, "re_2"))
    assert desk(databases) == [
        ("refund_failed", "re_1", "The refund re_1 came back."),
        ("refund_failed", "re_2", "The refund re_2 came back."),
    ]


def test_what_is_found_twice_at_once_is_told_once(databases: Databases) -> None:
    found = finding(uuid7())
    assert sorted(at_once(*[lambda: told_now(found)] * 4)) == [False, False, False, True]  # type: ignore[type-var]
    assert len(Told(databases["payments"]).needs()) == 1


def test_what_is_not_committed_is_not_told(databases: Databases) -> None:
    with Database("payments").transaction():
        assert tell(finding(uuid7()))
        transaction.set_rollback(True, using="payments")
    assert Told(databases["payments"]).findings() == []
    assert desk(databases) == []


def test_the_desk_shows_a_case_of_money_that_no_saga_is_known_for(databases: Databases) -> None:
    told_now(finding(uuid7(), order_id=None))
    desk(databases)
    [(case,)] = databases["sagas"].execute("SELECT id FROM sagas_case").fetchall()
    agent = Client()
    agent.force_login(User.objects.create_superuser("agent"))

    shown = agent.get(f"/admin/sagas/case/{case}/change/")

    assert shown.status_code == 200
    assert b"The refund re_1 came back." in shown.content
    assert b"Close the case" in shown.content


def test_the_lists_show_what_was_told(databases: Databases) -> None:
    told_now(finding(uuid7()))
    databases["payments"].execute(
        "INSERT INTO payments_stripeevent (id, type, object_id, happened_at)"
        " VALUES ('evt_1', 'refund.failed', 're_1', now())"
    )
    databases["payments"].execute(
        "INSERT INTO payments_reconciliation (id, compared_at, since, seconds, compared, not_ours,"
        " complete, differences, examples)"
        " VALUES (gen_random_uuid(), now(), now(), 1, 5, 0, true, 1, '[\"pi_1 differs\"]')"
    )
    agent = Client()
    agent.force_login(User.objects.create_superuser("agent"))
    for page, search, says in (
        ("finding", "re_1", b"The refund re_1 came back."),
        ("stripeevent", "re_1", b"refund.failed"),
        ("reconciliation", "", b"differs"),
    ):
        found = agent.get(f"/admin/payments/{page}/", {"q": search} if search else {})
        assert found.status_code == 200
        assert says in found.content
        assert agent.get(f"/admin/payments/{page}/add/").status_code == 403
    [(run,)] = databases["payments"].execute("SELECT id FROM payments_reconciliation").fetchall()
    page = agent.get(f"/admin/payments/reconciliation/{run}/change/")
    assert b"pi_1 differs" in page.content
