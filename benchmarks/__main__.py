"""`python -m benchmarks`: the platform beside floor and peer. See docs/benchmarks.md."""

import json
import os
import secrets
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import django
from rich.console import Console

from benchmarks.errors import BenchmarkError
from benchmarks.options import options_from

PIPED_WIDTH = 110  # columns, where there is no terminal to ask


def main() -> int:
    """Exit status 1 where the figures could not be had, or not be believed."""
    options = options_from(sys.argv[1:])
    set_up()
    folder = Path(tempfile.mkdtemp(prefix="sagaplatform-bench-"))
    console = Console(stderr=options.json, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    try:
        report = import_module("benchmarks.run").run(options, folder, console)
    except BenchmarkError as error:
        console.print(f"[red]{error}")
        return 1
    if options.json and report:
        sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n")
    shutil.rmtree(folder)
    return 0


def set_up() -> None:
    """Django, with topics of this run's own: nothing is left in them, and nobody else reads them.

    The rest is imported afterwards, for it needs Django.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    os.environ["KAFKA_TOPIC_PREFIX"] = f"bench-{secrets.token_hex(3)}."
    django.setup()


if __name__ == "__main__":
    sys.exit(main())
