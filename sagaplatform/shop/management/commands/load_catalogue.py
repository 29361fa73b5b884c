"""Opens the demonstration shop for the baskets of a file."""

from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from rich.console import Console

from sagaplatform.shop.files import DATA, ShopFiles, add_file_arguments
from sagaplatform.shop.problems import UnusableFile
from sagaplatform.shop.runs import load


class Command(BaseCommand):
    help = (
        "Set list prices, promotions, stock, customers and their credit by rule from the demand of "
        "the baskets. Repeated, it comes to the same state."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_file_arguments(parser)
        parser.add_argument("--baskets", type=Path, default=DATA / "baskets.csv", metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        files = ShopFiles(options["catalogue"], options["baskets"], options["orders"])
        try:
            load(files, Console())
        except UnusableFile as error:
            raise CommandError(str(error)) from error
