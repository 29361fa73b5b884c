from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.pricing.services import NewListPrice, NewPromotion, set_list_prices, start_promotions
from tests.handling import ask
from tests.pricing.prices import freeze, line

SAGA = UUID("01a209f2-36ce-718b-90fe-f123a27b85d2")
ORDER = UUID("01a209f2-36ce-718b-90fe-f123a27b85d3")
OTHER = UUID("01a209f2-36ce-718b-90fe-f123a27b85d4")


@pytest.fixture
def admin(databases: dict[str, psycopg.Connection]) -> Client:
    set_list_prices(
        prices={"apple": NewListPrice(100, "USD"), "bread": NewListPrice(255, "USD", "RYE BREAD")}
    )
    start_promotions(promotions=[NewPromotion("apple", 90), NewPromotion("bread", 201)])
    ask("pricing", freeze(line("apple", 2, 90), order_id=ORDER), saga_id=SAGA)
    ask("pricing", freeze(line("apple", 1, 90)), saga_id=OTHER)
    client = Client()
    client.force_login(User.objects.create_superuser("agent"))
    return client


@pytest.mark.parametrize(
    ("page", "term", "found", "not_found"),
    [
        ("listprice", "rye", "RYE BREAD", "apple"),
        ("promotion", "bread", "2.01", "apple"),
        ("pricefreeze", str(SAGA), "1.80 USD", str(OTHER)),
    ],
)
def test_each_list_finds_what_is_searched(
    admin: Client, page: str, term: str, found: str, not_found: str
) -> None:
    response = admin.get(reverse(f"admin:pricing_{page}_changelist"), {"q": term})

    assert response.status_code == 200
    assert found in response.content.decode()
    assert not_found not in response.content.decode()


@pytest.mark.parametrize(
    ("page", "key"), [("listprice", "apple"), ("promotion", "1"), ("pricefreeze", str(SAGA))]
)
def test_nothing_is_added_changed_or_deleted_here(admin: Client, page: str, key: str) -> None:
    shown = reverse(f"admin:pricing_{page}_change", args=[key])

    assert admin.get(shown).status_code == 200
    assert admin.post(shown, {"unit_price_cents": "1"}).status_code == 403
    assert admin.get(reverse(f"admin:pricing_{page}_add")).status_code == 403
    assert admin.post(reverse(f"admin:pricing_{page}_delete", args=[key])).status_code == 403
