"""The long campaigns, and their report: what `make reliability` runs.

    python -m tests.reliability [--only NAME,NAME] [--seeds N] [--crashes N] [--report FILE]

They take hours: each one's part of the report is written when it ends, and the parts of those that
are not run stay as they are. Needs the servers and the test databases: run it inside
`sagaplatform.stack run --test --`.
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

from tests.reliability.report import TITLES, page, part, parts_of

ROOT = Path(__file__).parent.parent.parent
REPORT = ROOT / "docs" / "reliability.md"
NAMES = tuple(TITLES)


def main() -> int:
    options, found = _options(), commit()
    parts = parts_of(options.report.read_text()) if options.report.exists() else {}
    words, statuses = campaigns(options), []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or NAMES:
            result = run(words[name], Path(folder))
            statuses.append(result["status"])
            parts[name] = part(name, result, found, f"{datetime.now(UTC):%Y-%m-%d}")
            options.report.write_text(page(parts))
    print(f"The report is in {options.report}.")  # noqa: T201
    return int(any(statuses))


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
    """What is checked out, "-dirty" where anything but the report was changed."""
    found = _git("describe", "--always")
    others = _git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{REPORT}")
    return f"{found}-dirty" if others else found


def _git(*words: str) -> str:
    command = ["git", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def names(text: str) -> list[str]:
    """An argument that is some campaigns' names."""
    found = [each.strip() for each in text.split(",")]
    if unknown := [each for each in found if each not in NAMES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of: {', '.join(NAMES)}")
    return found


def count(text: str) -> int:
    """An argument that is a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=names, metavar="NAMES", help=", ".join(NAMES))
    parser.add_argument("--seeds", type=count, default=3000, help="of the simulation (3000)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument(
        "--crashes", type=count, default=3, metavar="N", help="each N-th case of the crash kit (3)"
    )
    parser.add_argument("--report", type=Path, default=REPORT, help="where the report goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
