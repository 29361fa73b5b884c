"""The two files of a shop, as the commands take them."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from django.conf import settings

from sagaplatform.shop.baskets import Basket, Product, read_baskets, read_products
from sagaplatform.shop.problems import Rejected, UnusableFile

DATA = Path(settings.BASE_DIR) / "data"


@dataclass
class ShopFiles:
    """A catalogue, and the first so many baskets that can be used; None takes all of them."""

    catalogue: Path
    baskets: Path
    orders: int | None
    rejected_products: Rejected = field(default_factory=Rejected)
    rejected_rows: Rejected = field(default_factory=Rejected)

    def read_products(self) -> dict[str, Product]:
        """Raises UnusableFile."""
        self.rejected_products = Rejected()
        return read_products(self.catalogue, self.rejected_products)

    def read_baskets(self, products: dict[str, Product]) -> Iterator[Basket]:
        """One by one. Raises UnusableFile, also where there is no basket that can be used."""
        self.rejected_rows = Rejected()
        found = 0
        for basket in islice(read_baskets(self.baskets, products, self.rejected_rows), self.orders):
            found += 1
            yield basket
        if not found:
            raise UnusableFile(
                f"{self.baskets} has no basket that can be used with {self.catalogue}; "
                f"see data/README.md."
            )

    def complaints(self) -> Iterator[str]:
        """What was left out of either file, by reason."""
        for path, rejected in (
            (self.catalogue, self.rejected_products),
            (self.baskets, self.rejected_rows),
        ):
            yield from (f"{path}: {sentence}" for sentence in rejected.sentences())


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """--catalogue and --orders; where the baskets are, each command asks in its own way."""
    parser.add_argument("--catalogue", type=readable, default=DATA / "products.csv", metavar="FILE")
    parser.add_argument("--orders", type=positive, metavar="N", help="the first N baskets only")


def readable(text: str) -> Path:
    """An argument that is a file."""
    path = Path(text)
    if not path.is_file():
        advice = "give the path of a file in the format of data/README.md"
        raise argparse.ArgumentTypeError(f"{text} is no file; {advice}")
    return path


def positive(text: str) -> int:
    """An argument that is a whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)
