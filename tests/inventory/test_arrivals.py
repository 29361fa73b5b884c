"""The desk where returned goods arrive: what waits there, who says what came, and in the admin."""

from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from django.test import Client
from pytest_django import Settings
from uuid_utils.compat import uuid7

from apps.contracts.base import Command, Message
from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.inventory import GoodsNotReceived, GoodsReceived, NotReceived, ReceiveGoods
from apps.contracts.steps import Fence, Fenced, RecordHappened
from apps.contracts.values import AcceptedLine, Line
from apps.inventory.errors import (
    ArrivalBusy,
    ArrivalClosed,
    ArrivalMoved,
    NoSuchArrival,
    NotWhatWasAnnounced,
)
from apps.inventory.receiving import record_arrival
from apps.messaging.audit import Actor
from apps.messaging.batch import Batch
from apps.messaging.calls import work
from apps.messaging.errors import ReasonMissing
from sagaplatform.roles import AUDITOR, OPERATIONS, SUPPORT
from tests.admin.people import logged_in, user_of
from tests.messaging.kit import envelope, record

pytestmark = pytest.mark.usefixtures("quiet")
ADA = Actor(id=3, name="ada")
TEAS = AcceptedLine(product_id="tea", quantity=2)


class Desk:
    """One return of two teas and a cup, as inventory meets it."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.owner, self.saga_id, self.order_id = owner, uuid7(), uuid7()

    def ask(self, message: Command, action: Action = Action.DO) -> None:
        """As the consumer carries it out."""
        asked = envelope(
            message, self.saga_id, step="receive_goods", action=action, topic="inventory-commands"
        )
        Batch("inventory", [record(asked)]).carry_out()

    def expect(self) -> None:
        lines = (Line(product_id="tea", quantity=2), Line(product_id="cup", quantity=1))
        self.ask(
            ReceiveGoods(
                return_id=uuid7(), placed_by=uuid7(), order_id=self.order_id, customer_id=7,
                lines=lines,
            )
        )  # fmt: skip
        assert work("inventory") == 1

    def arrives(self, *lines: AcceptedLine, version: int = 0, reason: str = "unpacked") -> None:
        record_arrival(
            arrival_id=self.id, accepted=lines, version=version, actor=ADA, reason=reason
        )

    @property
    def id(self) -> UUID:
        [(id,)] = self.owner.execute("SELECT id FROM inventory_arrival").fetchall()
        found: UUID = id
        return found

    def row(self) -> tuple[str, str, list[Any]]:
        """Status, who decided, and what was accepted."""
        [row] = self.owner.execute(
            "SELECT status, decided_by, accepted FROM inventory_arrival"
        ).fetchall()
        return row

    def told(self) -> list[Message]:
        """All that inventory has told, but for that it waits, by name."""
        rows = self.owner.execute("SELECT headers, payload FROM inventory_outboxmessage").fetchall()
        read = [(msgspec.json.decode(headers, type=dict[str, str]), body) for headers, body in rows]
        messages = [
            msgspec.json.decode(body, type=MESSAGES[told["type"], int(told["version"])])
            for told, body in read
            if told["type"] != "StepWaits"
        ]
        return sorted(messages, key=lambda each: type(each).__name__)

    def actions(self) -> list[tuple[str, str, str, str]]:
        """The audit: who, what, why, and what came of it."""
        return self.owner.execute(
            "SELECT actor, operation, reason, outcome FROM inventory_operatoraction"
        ).fetchall()


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection]) -> Desk:
    """A return that is expected."""
    desk = Desk(databases["inventory"])
    desk.expect()
    assert desk.row() == ("expected", "", [])
    return desk


def test_it_waits_until_its_day_and_not_longer(desk: Desk, settings: Settings) -> None:
    assert work("inventory") == 0
    [(days,)] = desk.owner.execute(
        "SELECT round(extract(epoch FROM due_at - announced_at) / 86400)::int"
        " FROM inventory_arrival"
    ).fetchall()
    assert days == settings.RETURN_ARRIVES_WITHIN_DAYS
    desk.owner.execute("UPDATE inventory_intent SET due_at = now()")
    assert work("inventory") == 1  # asked before its time it goes on waiting
    assert (desk.row()[0], desk.told()) == ("expected", [])
    desk.owner.execute("UPDATE inventory_arrival SET due_at = now()")
    desk.owner.execute("UPDATE inventory_intent SET due_at = now()")
    assert work("inventory") == 1
    assert desk.row() == ("late", "", [])
    assert desk.told() == [GoodsNotReceived(code=NotReceived.LATE)]


def test_what_arrives_is_told_at_once(desk: Desk) -> None:
    cup = AcceptedLine(product_id="cup", quantity=1, damaged=1)
    desk.arrives(TEAS, cup)
    assert work("inventory") == 1
    assert desk.told() == [GoodsReceived(accepted=(TEAS, cup))]
    assert desk.actions() == [("ada", "receive", "unpacked", "expected -> received")]


def test_of_what_did_not_come_there_is_no_line(desk: Desk) -> None:
    desk.arrives(TEAS, AcceptedLine(product_id="cup", quantity=0))
    work("inventory")
    assert desk.told() == [GoodsReceived(accepted=(TEAS,))]


def test_nothing_that_can_be_accepted_is_a_refusal(desk: Desk) -> None:
    desk.arrives()
    work("inventory")
    assert desk.told() == [GoodsNotReceived(code=NotReceived.REFUSED)]
    assert desk.actions() == [("ada", "refuse", "unpacked", "expected -> refused")]


@pytest.mark.parametrize(
    "lines",
    [
        (AcceptedLine(product_id="tea", quantity=3),),
        (AcceptedLine(product_id="tea", quantity=-1),),
        (AcceptedLine(product_id="tea", quantity=1, damaged=2),),
        (AcceptedLine(product_id="tea", quantity=1, damaged=-1),),
        (AcceptedLine(product_id="tea", quantity=0),),
        (AcceptedLine(product_id="cake", quantity=1),),
        (AcceptedLine(product_id="tea", quantity=1),) * 2,
    ],
)
def test_no_more_is_accepted_than_was_announced(
    desk: Desk, lines: tuple[AcceptedLine, ...]
) -> None:
    with pytest.raises(NotWhatWasAnnounced):
        desk.arrives(*lines)
    assert (desk.row(), desk.actions()) == (("expected", "", []), [])


def test_who_comes_second_or_has_seen_something_else_changes_nothing(desk: Desk) -> None:
    with pytest.raises(ArrivalMoved):
        desk.arrives(TEAS, version=5)
    with pytest.raises(ReasonMissing):
        desk.arrives(TEAS, reason="  ")
    with pytest.raises(NoSuchArrival):
        record_arrival(arrival_id=uuid7(), accepted=[], version=0, actor=ADA, reason="x")
    desk.arrives(TEAS)
    with pytest.raises(ArrivalClosed):
        desk.arrives(version=1)
    assert len(desk.actions()) == 1


def test_a_word_while_it_is_asked_for_is_refused_and_not_lost(desk: Desk) -> None:
    desk.owner.execute(
        "UPDATE inventory_intent SET status = 'claimed', lease = gen_random_uuid(),"
        " leased_until = now() + interval '9 seconds'"
    )
    with pytest.raises(ArrivalBusy):
        desk.arrives(TEAS)
    assert (desk.row()[0], desk.actions()) == ("expected", [])


def test_a_fence_closes_the_desk(desk: Desk) -> None:
    desk.ask(Fence(), Action.FENCE)
    work("inventory")
    assert desk.told() == [Fenced(), GoodsNotReceived(code=NotReceived.WITHDRAWN)]
    assert desk.row() == ("withdrawn", "", [])
    with pytest.raises(ArrivalClosed):
        desk.arrives(TEAS, version=1)


def test_what_was_settled_by_hand_past_the_desk_is_all_here(desk: Desk) -> None:
    desk.ask(RecordHappened(evidence="seen in the shelf"))
    cup = AcceptedLine(product_id="cup", quantity=1)
    assert desk.told() == [GoodsReceived(accepted=(TEAS, cup))]
    assert desk.row() == ("withdrawn", "", [])


# --- in the admin


def page(desk: Desk, name: str = "change") -> str:
    return f"/admin/inventory/arrival/{desk.id}/{name}/"


def act(client: Client, desk: Desk, name: str, **given: Any) -> Any:
    form = {"version": 0, "choice": "", "reason": "I unpacked it", **given}
    return client.post(page(desk, name), form)


def test_operations_receive_what_has_arrived(desk: Desk) -> None:
    client = logged_in(user_of(OPERATIONS))
    shown = client.get(page(desk, "receive"))
    form = shown.context["form"]
    assert [*form.fields] == [
        "version", "choice", "accepted_0", "damaged_0", "accepted_1", "damaged_1", "reason",
    ]  # fmt: skip
    assert form["accepted_0"].value() == 2
    given = {"accepted_0": 2, "damaged_0": 1, "accepted_1": 0, "damaged_1": 0}
    assert act(client, desk, "receive", **given).status_code == 302
    assert desk.row() == (
        "received", "operations", [{"product_id": "tea", "quantity": 2, "damaged": 1}],
    )  # fmt: skip
    assert "2 x tea (1 damaged)" in client.get(page(desk)).content.decode()


def test_operations_refuse_what_has_not(desk: Desk) -> None:
    assert act(logged_in(user_of(OPERATIONS)), desk, "refuse").status_code == 302
    assert desk.row() == ("refused", "operations", [])


def test_more_than_was_announced_is_not_taken_by_the_form(desk: Desk) -> None:
    given = {"accepted_0": 3, "damaged_0": 0, "accepted_1": 0, "damaged_1": 0}
    client = logged_in(user_of(OPERATIONS))
    assert act(client, desk, "receive", **given).status_code == 400
    nothing = {"accepted_0": 0, "damaged_0": 0, "accepted_1": 0, "damaged_1": 0}
    assert act(client, desk, "receive", **nothing).status_code == 409
    assert desk.row() == ("expected", "", [])


@pytest.mark.parametrize("role", [SUPPORT, AUDITOR])
def test_who_may_only_look_receives_nothing(desk: Desk, role: str) -> None:
    client = logged_in(user_of(role))
    assert client.get(page(desk)).status_code == 200
    assert act(client, desk, "refuse").status_code == 403
    assert desk.row() == ("expected", "", [])


def test_what_is_overdue_is_found(desk: Desk) -> None:
    client = logged_in(user_of(SUPPORT))
    filtered = "/admin/inventory/arrival/?due="
    assert "2 x tea, 1 x cup" not in client.get(f"{filtered}over").content.decode()
    desk.owner.execute("UPDATE inventory_arrival SET due_at = now()")
    assert "2 x tea, 1 x cup" in client.get(f"{filtered}over").content.decode()
