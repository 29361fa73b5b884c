"""The long campaigns, and their report: what `make reliability` runs.

    python -m tests.reliability [--seeds N] [--crashes N] [--report FILE]

Needs the servers and the test databases: run it inside `sagaplatform.stack run --test --`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.reliability.report import page

ROOT = Path(__file__).parent.parent.parent
REPORT = ROOT / "docs" / "reliability.md"


def main() -> int:
    options, found = _options(), commit()
    with tempfile.TemporaryDirectory() as folder:
        results = {name: run(words, Path(folder)) for name, words in campaigns(options).items()}
    options.report.write_text(page(found, f"{datetime.now(UTC):%Y-%m-%d}", results))
    print(f"The report is in {options.report}.")  # noqa: T201
    return int(any(each["status"] for each in results.values()))


def campaigns(options: argparse.Namespace) -> dict[str, list[str]]:
    """Each campaign's module and arguments."""
    return {
        "search": ["search", "--full"],
        "broken rules": ["search", "--mutations"],
        "by hand": ["by_hand"],
        "crash": ["crash", "--every", str(options.crashes)],
        "simulation": ["simulation", "--seeds", str(options.seeds), "--first", str(options.first)],
    }


def run(words: list[str], folder: Path) -> dict[str, Any]:
    """Run one campaign; its exit status, seconds and figures."""
    name, *options = words
    figures = folder / f"{'-'.join(words)}.json"
    command = [sys.executable, "-m", f"tests.reliability.{name}", *options, "--json", str(figures)]
    began = time.monotonic()
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    found = json.loads(figures.read_text()) if figures.exists() else {}
    return {"status": status, "seconds": round(time.monotonic() - began), "figures": found}


def commit() -> str:
    """What is checked out, "-dirty" where it was changed."""
    words = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def count(text: str) -> int:
    """An argument that is a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=count, default=3000, help="of the simulation (3000)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument(
        "--crashes", type=count, default=3, metavar="N", help="each N-th case of the crash kit (3)"
    )
    parser.add_argument("--report", type=Path, default=REPORT, help="where the report goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
