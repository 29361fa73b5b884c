"""Places the baskets of a file through the REST API of a running platform."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from rich.console import Console

from sagaplatform.shop.files import ShopFiles, add_file_arguments
from sagaplatform.shop.runs import FAILURES, add_replay_arguments, replay
from sagaplatform.shop.tables import print_complaints, print_result


class Command(BaseCommand):
    help = (
        "Place the baskets of a file as their households through the REST API of a running "
        "platform, wait until each order has ended, and report. The exit status is 0 only if the "
        "API took every basket and every order ended."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="baskets, as in data/README.md")
        add_file_arguments(parser)
        add_replay_arguments(parser)
        parser.add_argument("--json", action="store_true", help="the report as JSON, and only it")

    def handle(self, *args: Any, **options: Any) -> None:
        files = ShopFiles(options["catalogue"], options["file"], options["orders"])
        console = Console(stderr=options["json"])
        try:
            result = replay(files, console, options)
        except FAILURES as error:
            raise CommandError(str(error)) from error
        print_complaints(console, files)
        if options["json"]:
            self.stdout.write(json.dumps(result.as_json(), indent=2))
        else:
            print_result(console, result)
        if not result.is_good:
            sys.exit(1)
