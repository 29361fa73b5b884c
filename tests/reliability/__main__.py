"""The long campaigns in full, and their report: what `make reliability` runs.

    python -m tests.reliability [--seeds N] [--report FILE]

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

ROOT = Path(__file__).parent.parent.parent
REPORT = ROOT / "docs" / "reliability.md"


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        results = {
            name: run(name, words, Path(folder)) for name, words in campaigns(options).items()
        }
    options.report.write_text(report(results))
    print(f"The report is in {options.report}.")  # noqa: T201
    return int(any(each["status"] for each in results.values()))


def campaigns(options: argparse.Namespace) -> dict[str, list[str]]:
    """Each campaign's module and arguments."""
    return {
        "search": ["--full"],
        "crash": ["--full"],
        "simulation": ["--seeds", str(options.seeds), "--first", str(options.first)],
    }


def run(name: str, words: list[str], folder: Path) -> dict[str, Any]:
    """Run one campaign; its exit status, seconds and figures."""
    figures = folder / f"{name}.json"
    command = [sys.executable, "-m", f"tests.reliability.{name}", *words, "--json", str(figures)]
    began = time.monotonic()
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    found = json.loads(figures.read_text()) if figures.exists() else {}
    return {"status": status, "seconds": round(time.monotonic() - began), "figures": found}


def report(results: dict[str, dict[str, Any]]) -> str:
    """The page docs/reliability.md."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip
    lines = [
        "# Reliability: the long campaigns",
        "",
        "Written by `make reliability`. Seeds and cases can be run again one by one: see",
        "[tests/reliability](../tests/reliability).",
        "",
        f"Commit {commit}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
    ]
    for name, result in results.items():
        verdict = "no violation" if result["status"] == 0 else "VIOLATIONS: see its output"
        lines += ["", f"## {name.capitalize()}", "", f"{result['seconds']} s, {verdict}.", ""]
        lines += ["```json", json.dumps(result["figures"], indent=1), "```"]
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3000, help="of the simulation (3000)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the report goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
