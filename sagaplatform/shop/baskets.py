"""Reads baskets and products, in the format that data/README.md describes.

Rows are read as a stream. A row that cannot be used is left out, counted under its reason, and its
basket goes on with the other rows; a basket that has none left is left out and counted too. The
columns that nobody here needs (placed_at, department …) may be missing, and the product's names.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from sagaplatform.shop.problems import Rejected, UnusableFile, UnusableRow

MOST_PIECES = 10_000  # of one product in one basket; more is a slip in the file
MOST_CENTS = 10_000_000  # for one piece

BASKET_COLUMNS = ("basket_id", "household_id", "product_id", "quantity", "unit_price_cents")
PRODUCT_COLUMNS = ("product_id", "list_price_cents")
NAME_COLUMNS = ("product_type", "package_size")


@dataclass(frozen=True, slots=True)
class Product:
    """What the shop sells."""

    name: str  # for people; may be empty
    list_price_cents: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row whose needed columns are whole numbers."""

    line: int  # in the file
    numbers: Mapping[str, int]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BasketLine:
    """So many pieces of one product, at the price that the customer saw."""

    product_id: str
    quantity: int
    unit_price_cents: int


@dataclass(frozen=True, slots=True)
class Basket:
    """What one household bought at once. Each product is in it once."""

    id: int
    household: int
    lines: tuple[BasketLine, ...]

    @property
    def total_cents(self) -> int:
        return sum(line.quantity * line.unit_price_cents for line in self.lines)


def read_products(path: Path, rejected: Rejected) -> dict[str, Product]:
    """The products by id. Raises UnusableFile."""
    products: dict[str, Product] = {}
    for row in _rows(path, PRODUCT_COLUMNS, rejected):
        product, cents = str(row.numbers["product_id"]), row.numbers["list_price_cents"]
        if not 1 <= cents <= MOST_CENTS:
            rejected.add(f"list_price_cents is not within 1 and {MOST_CENTS}", row.line)
        elif product in products:
            rejected.add("product is listed twice", row.line)
        else:
            products[product] = Product(_name(row), cents)
    if not products:
        raise UnusableFile(f"{path} has no product that can be used; see data/README.md.")
    return products


def read_baskets(
    path: Path, products: Mapping[str, Product], rejected: Rejected
) -> Iterator[Basket]:
    """The baskets of a file, one after the other. Raises UnusableFile."""
    seen: set[int] = set()
    rows = _rows(path, BASKET_COLUMNS, rejected)
    for basket_id, group in groupby(rows, key=lambda row: row.numbers["basket_id"]):
        rows_of_basket = list(group)
        if basket_id in seen:
            for row in rows_of_basket:
                rejected.add("its basket was already closed by another basket's rows", row.line)
            continue
        seen.add(basket_id)
        if basket := _basket(rows_of_basket, products, rejected):
            yield basket


def _basket(rows: list[Row], products: Mapping[str, Product], rejected: Rejected) -> Basket | None:
    first = rows[0].numbers
    lines: dict[str, BasketLine] = {}
    for row in rows:
        try:
            if row.numbers["household_id"] != first["household_id"]:
                raise UnusableRow("basket belongs to another household")
            line = _basket_line(row.numbers, products)
            if line.product_id in lines:
                raise UnusableRow("product is in the basket twice")
            lines[line.product_id] = line
        except UnusableRow as reason:
            rejected.add(str(reason), row.line)
    if not lines:
        rejected.add("basket without a usable row", rows[0].line)
        return None
    return Basket(first["basket_id"], first["household_id"], tuple(lines.values()))


def _basket_line(row: Mapping[str, int], products: Mapping[str, Product]) -> BasketLine:
    line = BasketLine(str(row["product_id"]), row["quantity"], row["unit_price_cents"])
    if line.product_id not in products:
        raise UnusableRow("product is not in the catalogue")
    if not 1 <= line.quantity <= MOST_PIECES:
        raise UnusableRow(f"quantity is not within 1 and {MOST_PIECES}")
    if line.unit_price_cents < 1:
        raise UnusableRow("unit_price_cents is not 1 or more")
    if line.unit_price_cents > products[line.product_id].list_price_cents:
        raise UnusableRow("unit_price_cents is above the list price")
    return line


def _rows(path: Path, columns: tuple[str, ...], rejected: Rejected) -> Iterator[Row]:
    """The rows of which every needed column is a whole number; the others are counted."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(path, columns, reader.fieldnames or ())
            for row in reader:
                try:
                    numbers = {name: _number(row, name) for name in columns}
                    yield Row(reader.line_num, numbers, row)
                except UnusableRow as reason:
                    rejected.add(str(reason), reader.line_num)
    except OSError as error:
        raise UnusableFile(
            f"{path} cannot be read ({error.strerror}); give the path of a file in the format of "
            f"data/README.md."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnusableFile(f"{path} is no CSV file in UTF-8 ({error}).") from error


def _check_columns(path: Path, wanted: tuple[str, ...], found: object) -> None:
    missing = [name for name in wanted if name not in list(found)]  # type: ignore[call-overload]
    if missing:
        raise UnusableFile(
            f"{path} has no column {' and no column '.join(missing)}; its first line must name "
            f"{', '.join(wanted)} (data/README.md)."
        )


def _number(row: Mapping[str, str | None], name: str) -> int:
    text = (row[name] or "").strip()
    if not text:
        raise UnusableRow(f"{name} is missing")
    if not (text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()):
        raise UnusableRow(f"{name} is not a whole number")
    if len(text) > 18:
        raise UnusableRow(f"{name} is too long a number")
    return int(text)


def _name(row: Row) -> str:
    """`Pickles, 16 oz`, of what the file tells."""
    texts = ("".join(filter(str.isprintable, row.texts.get(name) or "")) for name in NAME_COLUMNS)
    return ", ".join(text.strip().lower() for text in texts if text.strip())[:200].capitalize()
