"""Every act that the admin's registry has: refused without its right, without a reason and on a row
that moved; done with an audit row. Those of sagas are in test_operating.py."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from uuid_utils.compat import uuid7

from apps.contracts.notifications import SendConfirmation
from apps.contracts.steps import PersonNeeded
from apps.messaging.admin.acting import Act, Acting
from apps.messaging.calls import work
from apps.messaging.consumer import Failure, park
from apps.notifications.models import Dispatch
from apps.notifications.services import set_contact
from apps.orders.models import ModeShare
from apps.sagas.models import Approval, Case
from sagaplatform.env import CONTEXTS
from tests.admin.letters import newest
from tests.admin.sagas_world import act, person, saga_page
from tests.admin.test_operating import CASES as OF_SAGAS
from tests.fraud.desk import DEAR
from tests.fraud.desk import Desk as FraudDesk
from tests.handling import ask
from tests.inventory.test_arrivals import Desk as ReturnsDesk
from tests.messaging.kit import new_saga, reserve
from tests.sagas.listening import hear, news
from tests.sagas.test_operations import stuck_undo
from tests.sagas.test_watchdog import Desk

pytestmark = pytest.mark.usefixtures("quiet")
Databases = dict[str, psycopg.Connection]
REASON = "The customer called"
LETTERS = "inventory.deadletter"
ASKER = "asker"  # of what is to be approved


# --- a row of each kind that can be acted on: its key


def stuck_case(databases: Databases) -> UUID:
    return Case.objects.get(saga_id=stuck_undo(Desk(databases["sagas"]))).id


def lost_case(databases: Databases) -> UUID:
    """One that nothing else closes."""
    missed = PersonNeeded(kind="start_lost", context="orders", reason="Nobody takes it on")
    hear(news(uuid7(), "create_order", missed))
    return Case.objects.get().id


def request_for_approval(databases: Databases) -> UUID:
    saga_id = Desk(databases["sagas"]).saga_at("create_shipment")
    act(person(ASKER, superuser=True), saga_page(saga_id, "compensate"))
    return Approval.objects.get().id


def letter(databases: Databases) -> UUID:
    park("inventory", [Failure(reserve(new_saga()), ValueError("no such shelf"))])
    return newest(databases)


def review(databases: Databases) -> UUID:
    desk = FraudDesk(databases["fraud"])
    desk.check(DEAR)
    work("fraud")
    return desk.review_id()


def dispatch(databases: Databases) -> UUID:
    """A mail of which nobody knows."""
    set_contact(customer_id=7, email="ada@mail.example", push_url="")
    told = {"customer_id": 7, "currency": "EUR", "total_cents": 1}
    ask("notifications", SendConfirmation(order_id=uuid7(), **told))
    databases["notifications"].execute("UPDATE notifications_dispatch SET status = 'unknown'")
    return Dispatch.objects.get().id


def arrival(databases: Databases) -> UUID:
    """Goods that are on their way back."""
    desk = ReturnsDesk(databases["inventory"])
    desk.expect()
    return desk.id


def mode(databases: Databases) -> str:
    return ModeShare.objects.create(process="place_order", choreographed_percent=0).pk


def colleague() -> dict[str, str]:
    """To whom a case is given."""
    return {"owner": str(User.objects.create_user("ada", is_staff=True).pk)}


# --- what moves such a row under the eyes of who looks at it; what posts cannot know of it


def raised(table: str) -> str:
    return f"UPDATE {table} SET version = version + 1"


SAGA_MOVED = "UPDATE sagas_saga SET revision = revision + 1"
DECIDED = "UPDATE sagas_approval SET status = 'withdrawn'"  # by whom it was asked for


class Tried(NamedTuple):
    """One act."""

    model: str
    name: str
    make: Callable[[Databases], object]
    moved: str  # a statement; empty: it is the same whatever has happened to the row
    did: str  # in the audit
    given: Callable[[], dict[str, str]] = dict
    doer: str = "doer"
    status: int = 302


# A note adds something, and to look takes nothing away: neither has a version to check. (What a
# correction sends is checked, in test_dead_letters.py.) Who declines or withdraws a request says
# nothing of the saga, and of the request all but its decision is fixed: it has to be open.
ACTS = (
    Tried("sagas.case", "take", stuck_case, raised("sagas_case"), "assign"),
    Tried("sagas.case", "assign", stuck_case, raised("sagas_case"), "assign", colleague),
    Tried("sagas.case", "note", stuck_case, "", "note"),
    Tried("sagas.case", "close", lost_case, raised("sagas_case"), "close"),
    Tried("sagas.approval", "approve", request_for_approval, SAGA_MOVED, "approve"),
    Tried("sagas.approval", "decline", request_for_approval, DECIDED, "decline"),
    Tried("sagas.approval", "withdraw", request_for_approval, DECIDED, "withdraw", doer=ASKER),
    Tried(LETTERS, "replay", letter, raised("inventory_deadletter"), "replay"),
    Tried(LETTERS, "edit", letter, "", "reveal_payload", status=200),
    Tried(LETTERS, "discard", letter, raised("inventory_deadletter"), "discard"),
    Tried(LETTERS, "reveal", letter, "", "reveal_payload", status=200),
    Tried("fraud.review", "clear", review, raised("fraud_review"), "clear"),
    Tried("fraud.review", "refuse", review, raised("fraud_review"), "refuse"),
    Tried(
        "inventory.arrival", "receive", arrival, raised("inventory_arrival"), "receive",
        lambda: {"accepted_0": "2", "damaged_0": "0", "accepted_1": "1", "damaged_1": "1"},
    ),
    Tried("inventory.arrival", "refuse", arrival, raised("inventory_arrival"), "refuse"),
    Tried(
        "notifications.dispatch", "resend", dispatch, raised("notifications_dispatch"), "resend"
    ),
    Tried(
        "orders.modeshare", "set", mode, raised("orders_modeshare"), "set_mode",
        lambda: {"percent": "30"},
    ),
)  # fmt: skip
each_act = pytest.mark.parametrize("tried", ACTS, ids=lambda each: f"{each.model}-{each.name}")


class World:
    """A row that allows an act, and people who try it."""

    def __init__(self, tried: Tried, databases: Databases) -> None:
        self.tried = tried
        self.context = tried.model.partition(".")[0]
        self.owner = databases[self.context]
        self.key = tried.make(databases)
        self.given = tried.given()
        self.act = acts()[tried.model, tried.name]

    @property
    def page(self) -> str:
        return reverse(
            f"admin:{self.tried.model.replace('.', '_')}_{self.tried.name}", args=[self.key]
        )

    def doer(self) -> Client:
        """Who has the rights that it takes, and no other."""
        if self.tried.doer == ASKER:
            client = Client()
            client.force_login(User.objects.get(username=ASKER))
            return client
        reads = {"edit": ["reveal_deadletter"]}.get(self.tried.name, [])
        return person(self.tried.doer, self.view, self.act.permission, *reads)

    @property
    def view(self) -> str:
        return f"view_{self.tried.model.partition('.')[2]}"

    def audit(self) -> list[tuple[Any, ...]]:
        """What the doer did, and why."""
        told = (
            f"SELECT operation, reason FROM {self.context}_operatoraction"
            " WHERE actor = %s AND operation <> 'request' ORDER BY id"
        )
        return self.owner.execute(told, [self.tried.doer]).fetchall()

    def everything(self) -> list[object]:
        """All rows of its database."""
        tables = self.owner.execute(
            "SELECT tablename FROM pg_tables WHERE tablename LIKE %s ORDER BY 1",
            [f"{self.context}\\_%"],
        ).fetchall()
        rows = (f"SELECT t::text FROM {each} t ORDER BY 1" for [each] in tables)
        return [self.owner.execute(each).fetchall() for each in rows]


@pytest.fixture
def world(tried: Tried, databases: Databases, settings: Settings) -> World:
    settings.APPROVAL_LIMIT_CENTS = 1499
    return World(tried, databases)


def acts() -> dict[tuple[str, str], Act]:
    """All of the registry; those of parked messages, which every context has, of one context."""
    found: dict[tuple[str, str], Act] = {}
    for model, pages in admin.site._registry.items():
        if isinstance(pages, Acting):
            found |= {(one_of(model), each.name): each for each in pages.acts}
    return found


def one_of(model: type[Model]) -> str:
    name = model._meta.model_name
    return LETTERS if name == "deadletter" else f"{model._meta.app_label}.{name}"


def test_every_act_is_tried() -> None:
    tried = {(each.model, each.name) for each in ACTS}
    assert tried | {("sagas.saga", each) for each in OF_SAGAS} == acts().keys()
    letters = [page for model, page in admin.site._registry.items() if one_of(model) == LETTERS]
    assert len(letters) == len(CONTEXTS)
    assert len({type(each) for each in letters}) == 1  # so what is tried in one holds in all


@each_act
def test_without_right_or_reason_it_is_refused_else_done_with_an_audit_row(world: World) -> None:
    before = world.everything()
    others = {each.permission for (model, _), each in acts().items() if model == world.tried.model}
    needed = {world.view, world.act.permission}
    full = {"version": 1, "reason": REASON, **world.given}
    for number, rights in enumerate(needed):
        eve = person(f"eve{number}", *((others | needed) - {rights}))
        assert eve.get(world.page).status_code == 403
        assert eve.post(world.page, full).status_code == 403
    doer = world.doer()
    for reason in ("", " ", "42 !"):
        answer = act(doer, world.page, **world.given, reason=reason)
        assert answer.status_code == 400
        assert list(answer.context["form"].errors) == ["reason"]
    assert world.everything() == before

    answer = act(doer, world.page, **world.given)

    assert answer.status_code == world.tried.status
    assert world.audit() == [(world.tried.did, REASON)]


@each_act
def test_on_a_row_that_moved_it_is_refused_where_that_matters(world: World) -> None:
    doer = world.doer()
    seen = doer.get(world.page).context["form"].initial["version"]
    world.owner.execute(world.tried.moved or "SELECT 1")
    before = world.everything()
    version = seen if world.tried.moved else seen - 1

    form = {"version": version, "choice": "", "reason": REASON, **world.given}
    answer = doer.post(world.page, form)

    if world.tried.moved:
        assert answer.status_code == 409
        assert "Nothing was done." in answer.content.decode()
        assert answer.context["form"]["reason"].value() == REASON
        assert world.everything() == before
    else:
        assert answer.status_code == world.tried.status
        assert world.audit() == [(world.tried.did, REASON)]
