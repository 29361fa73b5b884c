"""The pages of sagas: they can be found and read, and nothing more."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.sagas.admin import page
from apps.sagas.models import Saga
from tests.sagas.listening import created, hear, news
from tests.sagas.scenarios import PLAIN, REFUSALS, SUCCESSES, UNDONE

LIST = "/admin/sagas/saga/"


@pytest.fixture
def agent(databases: dict[str, psycopg.Connection]) -> Client:
    """Logged in with all rights."""
    client = Client()
    client.force_login(User.objects.create_superuser("agent"))
    return client


@pytest.fixture
def refused(databases: dict[str, psycopg.Connection]) -> UUID:
    """A saga whose price was refused, and which is being undone."""
    saga_id = uuid7()
    hear(created(saga_id, uuid7()))
    hear(news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"]))
    hear(news(saga_id, "freeze_price", REFUSALS["freeze_price"]))
    hear(news(saga_id, "reserve_stock", UNDONE["reserve_stock"], action=Action.UNDO))
    return saga_id


@pytest.fixture
def running(databases: dict[str, psycopg.Connection]) -> UUID:
    saga_id = uuid7()
    hear(created(saga_id, uuid7()))
    return saga_id


@pytest.mark.parametrize("by", ["saga_id", "order_id", "customer_id"])
def test_a_saga_is_found_by_its_ids(agent: Client, refused: UUID, by: str) -> None:
    term = getattr(Saga.objects.get(pk=refused), by)

    found = agent.get(LIST, {"q": str(term)})

    assert [each.saga_id for each in found.context["cl"].result_list] == [refused]


@pytest.mark.parametrize("term", ["nonsense", "99", "9" * 40, str(UUID(int=1))])
def test_what_is_nobodys_id_finds_nothing(agent: Client, refused: UUID, term: str) -> None:
    found = agent.get(LIST, {"q": term})

    assert found.status_code == 200
    assert list(found.context["cl"].result_list) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status__exact", "compensating"),
        ("pending_step", "create_order"),
    ],
)
def test_the_list_is_filtered(
    agent: Client, refused: UUID, running: UUID, name: str, value: str
) -> None:
    found = agent.get(LIST, {name: value})

    assert [each.saga_id for each in found.context["cl"].result_list] == [refused]


def test_the_list_is_filtered_by_process(agent: Client, refused: UUID, running: UUID) -> None:
    found = agent.get(LIST, {"process": "place_order"})

    assert [each.saga_id for each in found.context["cl"].result_list] == [running, refused]


def test_the_page_shows_each_step_in_the_order_of_the_plan(agent: Client, refused: UUID) -> None:
    shown = agent.get(f"{LIST}{refused}/change/")

    steps = shown.context["sections"][0]
    assert [word(row[0]) for row in steps.rows] == [each.replace("_", " ") for each in PLAIN.steps]
    words = [[text for text in map(word, row) if text] for row in steps.rows]
    assert [row[1] for row in words[:3]] == ["done", "done", "refused"]
    assert words[0][-2] == "pending"
    assert "undone" in words[1]
    assert words[3] == ["authorize payment"]
    assert b"lines quantity 6, product id 85123A" in shown.content
    assert b"Prices have changed: product 85123A costs 2.95 now, you saw 2.55" in shown.content


def word(cell: object) -> str:
    """A cell without its markup."""
    text = str(cell)
    return text.split(">", 1)[1].split("<", 1)[0].strip() if text.startswith("<span") else text


def test_the_page_has_no_address(agent: Client, running: UUID) -> None:
    assert b"Lovelace" not in agent.get(f"{LIST}{running}/change/").content


@pytest.fixture
def added() -> Iterator[None]:
    page.ADDITIONS.append(
        lambda saga: page.Addition([
            page.Section("Mine", ("Number", "Status"), [(saga.order_id, "cancelled")]),
            page.Section("Nothing", ("Number",), []),
        ])
    )  # fmt: skip
    yield
    page.ADDITIONS.pop()


@pytest.mark.usefixtures("added")
def test_others_add_their_part_to_the_page(agent: Client, refused: UUID) -> None:
    shown = agent.get(f"{LIST}{refused}/change/")

    titles = [each.title for each in shown.context["sections"]]
    assert (titles[0], titles[-1]) == ("Steps", "Mine")
    assert b"cancelled" in shown.content


def test_an_unknown_saga_leads_home(agent: Client) -> None:
    assert agent.get(f"{LIST}{uuid7()}/change/").status_code == 302
    assert agent.get(f"{LIST}nonsense/change/").status_code == 302


def test_nothing_can_be_added_changed_or_deleted(agent: Client, refused: UUID) -> None:
    assert agent.get(f"{LIST}add/").status_code == 403
    assert agent.post(f"{LIST}{refused}/change/", {"status": "confirmed"}).status_code == 403
    assert agent.post(f"{LIST}{refused}/delete/", {"post": "yes"}).status_code == 403
    assert Saga.objects.get(pk=refused).status == "compensating"


def test_a_stranger_sees_nothing(agent: Client, refused: UUID) -> None:
    stranger = Client()
    stranger.force_login(User.objects.create_user("clerk", is_staff=True))

    assert stranger.get(LIST).status_code == 403
    assert stranger.get(f"{LIST}{refused}/change/").status_code == 403
