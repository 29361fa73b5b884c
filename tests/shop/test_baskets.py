"""Reading baskets and products: what cannot be used is counted, and a bad file says what to do."""

import pytest

from sagaplatform.shop.baskets import Basket, BasketLine, Product, read_baskets, read_products
from sagaplatform.shop.problems import Rejected, UnusableFile

HEADER = "placed_at,basket_id,household_id,product_id,quantity,unit_price_cents\n"
PRODUCTS = {"10": Product("", 500), "11": Product("", 200), "12": Product("", 300)}


def baskets_in(tmp_path, text):
    path = tmp_path / "baskets.csv"
    path.write_text(text, encoding="utf-8")
    rejected = Rejected()
    return list(read_baskets(path, PRODUCTS, rejected)), list(rejected.sentences())


def test_rows_of_one_basket_become_one_basket(tmp_path):
    baskets, rejected = baskets_in(
        tmp_path, HEADER + "t,7,3,10,2,500\nt,7,3,11,1,150\nt,8,4,12,1,300\n"
    )
    assert baskets == [
        Basket(7, 3, (BasketLine("10", 2, 500), BasketLine("11", 1, 150))),
        Basket(8, 4, (BasketLine("12", 1, 300),)),
    ]
    assert baskets[0].total_cents == 1150
    assert rejected == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("t,7,3,11,0,150", "quantity is not within 1 and 10000"),
        ("t,7,3,11,10001,150", "quantity is not within 1 and 10000"),
        ("t,7,3,11,-1,150", "quantity is not within 1 and 10000"),
        ("t,7,3,11,1,0", "unit_price_cents is not 1 or more"),
        ("t,7,3,11,1,201", "unit_price_cents is above the list price"),
        ("t,7,3,99,1,150", "product is not in the catalogue"),
        ("t,7,3,10,1,500", "product is in the basket twice"),
        ("t,7,4,11,1,150", "basket belongs to another household"),
        ("t,7,3,11,1.5,150", "quantity is not a whole number"),
        ("t,7,3,11,٣,150", "quantity is not a whole number"),
        ("t,7,3,11,1,", "unit_price_cents is missing"),
        ("t,7,3,11", "quantity is missing"),
        ("t,7,3,11,1," + "9" * 19, "unit_price_cents is too long a number"),
    ],
)
def test_an_unusable_row_is_counted_and_its_basket_goes_on(tmp_path, row, reason):
    baskets, rejected = baskets_in(tmp_path, HEADER + "t,7,3,10,2,500\n" + row + "\n")
    assert baskets == [Basket(7, 3, (BasketLine("10", 2, 500),))]
    assert rejected == [f"1 left out: {reason} (line 3)"]


def test_a_basket_without_a_usable_row_is_counted(tmp_path):
    baskets, rejected = baskets_in(tmp_path, HEADER + "t,7,3,10,0,500\n")
    assert baskets == []
    assert "1 left out: basket without a usable row (line 2)" in rejected


def test_rows_that_come_after_their_basket_was_closed_are_counted(tmp_path):
    baskets, rejected = baskets_in(
        tmp_path, HEADER + "t,7,3,10,1,500\nt,8,3,10,1,500\nt,7,3,11,1,150\n"
    )
    assert [basket.id for basket in baskets] == [7, 8]
    assert rejected == [
        "1 left out: its basket was already closed by another basket's rows (line 4)"
    ]


def test_the_first_lines_of_a_reason_are_named(tmp_path):
    _, rejected = baskets_in(tmp_path, HEADER + "t,7,3,99,1,5\n" * 5)
    assert "5 left out: product is not in the catalogue (line 2, 3, 4, …)" in rejected


def test_products_that_cannot_be_used_are_counted(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text("product_id,list_price_cents\n10,500\n10,400\n11,0\nx,5\n")
    rejected = Rejected()
    assert read_products(path, rejected) == {"10": Product("", 500)}
    assert list(rejected.sentences()) == [
        "1 left out: product is listed twice (line 3)",
        "1 left out: list_price_cents is not within 1 and 10000000 (line 4)",
        "1 left out: product_id is not a whole number (line 5)",
    ]


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(UnusableFile, match=r"No such file.*give the path of a file in the format"):
        list(read_baskets(tmp_path / "none.csv", PRODUCTS, Rejected()))


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(
        UnusableFile, match=r"has no column quantity and no column unit_price_cents"
    ):
        baskets_in(tmp_path, "placed_at,basket_id,household_id,product_id\nt,7,3,10\n")


def test_a_file_that_is_no_text_says_so(tmp_path):
    path = tmp_path / "baskets.csv"
    path.write_bytes(HEADER.encode() + b"\xff\xfe\x00")
    with pytest.raises(UnusableFile, match="is no CSV file in UTF-8"):
        list(read_baskets(path, PRODUCTS, Rejected()))


def test_a_catalogue_without_products_is_refused(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text("product_id,list_price_cents\n")
    with pytest.raises(UnusableFile, match="has no product that can be used"):
        read_products(path, Rejected())


def test_products_have_the_names_that_the_file_tells(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text(
        "product_id,list_price_cents,product_type,package_size\n"
        "10,500,PICKLES,16 OZ\n11,200,,\n12,300,BREAD,\n"
    )
    assert read_products(path, Rejected()) == {
        "10": Product("Pickles, 16 oz", 500),
        "11": Product("", 200),
        "12": Product("Bread", 300),
    }
