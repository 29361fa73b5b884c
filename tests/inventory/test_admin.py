from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.inventory.services import receive_stock
from tests.handling import ask
from tests.inventory.stock import line, reserve

SAGA = UUID("01a209f2-36ce-718b-90fe-f123a27b85d2")


@pytest.fixture
def admin(databases: dict[str, psycopg.Connection]) -> Client:
    receive_stock(quantities={"apple": 10, "bread": 3}, reason="delivery 1")
    ask("inventory", reserve(line("apple", 4)), saga_id=SAGA)
    client = Client()
    client.force_login(User.objects.create_superuser("agent"))
    return client


@pytest.mark.parametrize(
    ("page", "term", "found", "not_found"),
    [
        ("stock", "apple", "apple", "bread"),
        ("reservationlisting", str(SAGA), str(SAGA), "bread"),
        ("reservationlisting", "apple", str(SAGA), "bread"),
        ("stockmovement", str(SAGA), "-4", "delivery 1"),
        ("stockmovement", "bread", "delivery 1", "apple"),
    ],
)
def test_each_list_finds_what_is_searched(
    admin: Client, page: str, term: str, found: str, not_found: str
) -> None:
    response = admin.get(reverse(f"admin:inventory_{page}_changelist"), {"q": term})

    assert response.status_code == 200
    assert found in response.content.decode()
    assert not_found not in response.content.decode()


@pytest.mark.parametrize("page", ["stock", "reservationlisting", "stockmovement"])
def test_nothing_is_added_changed_or_deleted_here(admin: Client, page: str) -> None:
    keys = {"stock": "apple", "reservationlisting": f"{SAGA}:apple", "stockmovement": "1"}
    shown = reverse(f"admin:inventory_{page}_change", args=[keys[page]])

    assert admin.get(shown).status_code == 200
    assert admin.post(shown, {"on_hand": "99"}).status_code == 403
    assert admin.get(reverse(f"admin:inventory_{page}_add")).status_code == 403
    assert (
        admin.post(reverse(f"admin:inventory_{page}_delete", args=[keys[page]])).status_code == 403
    )
