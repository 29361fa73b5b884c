"""Opening the shop: what the services then say, however often it is done."""

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from rich.console import Console

from apps.inventory.selectors import stock_against_movements, stock_of
from apps.inventory.services import receive_stock
from apps.payments.selectors import account_drifts
from apps.pricing.selectors import prices_on_offer
from sagaplatform.shop import runs
from sagaplatform.shop.client import CURRENCY
from sagaplatform.shop.customers import UnknownHouseholds, lent_tokens
from sagaplatform.shop.files import ShopFiles

PRODUCTS = """product_id,list_price_cents,product_type,package_size
15,500,PICKLES,16 OZ
16,300,BREAD,
17,100,,
"""
# Product 15 is in three baskets, which makes it contended; 16 at 296 has ended: 16 + 296 = 12 * 26.
BASKETS = """placed_at,basket_id,household_id,product_id,quantity,unit_price_cents
t,1,25,15,4,500
t,1,25,16,1,296
t,2,26,15,2,450
t,2,26,16,1,296
t,3,26,15,2,500
t,3,26,16,1,296
t,3,26,99,1,1
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "products.csv").write_text(PRODUCTS)
    (tmp_path / "baskets.csv").write_text(BASKETS)
    return ShopFiles(tmp_path / "products.csv", tmp_path / "baskets.csv", None)


def load(files):
    console = Console(file=StringIO(), width=200)
    runs.load(files, console)
    return console.file.getvalue()


def credit(databases):
    rows = databases["payments"].execute(
        "SELECT customer_id, currency, available_cents FROM payments_account"
    )
    names = dict(get_user_model().objects.values_list("pk", "username"))
    return {(names[customer], currency): cents for customer, currency, cents in rows}


def on_hand():
    return {product: level.on_hand for product, level in stock_of(["15", "16", "17"]).items()}


def test_the_shop_is_what_the_rules_say(databases, files):
    said = load(files)
    assert on_hand() == {"15": 6, "16": 3, "17": 10}
    offers = prices_on_offer(["15", "16", "17"])
    assert {each: offer.prices for each, offer in offers.items()} == {
        "15": (450, 500),
        "16": (300,),
        "17": (100,),
    }
    assert credit(databases) == {
        ("household-25", CURRENCY): 1148,
        ("household-26", CURRENCY): 900 + 296 + 1000 + 296,
    }
    assert "baskets.csv: 1 left out: product is not in the catalogue (line 8)" in said
    assert "3 with 6 lines" in said


def test_loading_again_comes_to_the_same_state_by_movements(databases, files):
    load(files)
    receive_stock(quantities={"15": 5}, reason="test")
    load(files)
    assert on_hand() == {"15": 6, "16": 3, "17": 10}
    assert stock_against_movements() == []
    assert account_drifts() == []
    assert get_user_model().objects.count() == 2


def test_households_cannot_log_in_by_password(databases, files):
    load(files)
    assert not any(user.has_usable_password() for user in get_user_model().objects.all())


def test_tokens_are_lent_and_taken_back(databases, files):
    load(files)
    tokens = databases["default"]
    with lent_tokens() as lent:
        assert lent.of(25) == lent.of(25) != lent.of(26)
        assert tokens.execute("SELECT count(*) FROM knox_authtoken").fetchone() == (2,)
    assert tokens.execute("SELECT count(*) FROM knox_authtoken").fetchone() == (0,)


def test_a_household_that_is_no_customer_says_what_to_do(databases):
    with lent_tokens() as lent, pytest.raises(UnknownHouseholds, match="load_catalogue"):
        lent.of(25)


def test_a_missing_file_is_one_sentence(databases, tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("load_catalogue", catalogue=tmp_path / "none.csv")
    for option in ("--catalogue", "--baskets"):  # told before anything is started
        with pytest.raises(CommandError, match="is no file; give the path of a file"):
            call_command("demo", option, str(tmp_path / "none.csv"), "--help")


def test_baskets_without_any_of_the_catalogue_are_refused(databases, files):
    files.catalogue.write_text("product_id,list_price_cents\n1,1\n")
    with pytest.raises(CommandError, match="has no basket that can be used with"):
        call_command("load_catalogue", catalogue=files.catalogue, baskets=files.baskets)
