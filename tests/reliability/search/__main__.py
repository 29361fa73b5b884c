"""`python -m tests.reliability.search`: every reachable state of a saga, by the shipped code.

Without --full the quick configurations. Exit 1 where a law is broken, or a mutation is not noticed
in a mode where it can show.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import django
from rich.console import Console
from rich.table import Table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.search", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all configurations")
    parser.add_argument("--only", metavar="NAME", default="", help="one configuration")
    parser.add_argument("--mutations", action="store_true", help="break each rule in turn")
    parser.add_argument("--mutate", metavar="NAME", default="", help="break one, show its trace")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    os.environ.setdefault("SECRET_KEY", "none-needed")  # no server is asked
    django.setup()
    if options.mutations or options.mutate:
        return mutations(options.mutate, options.json)
    return configurations(options.only, options.json, full=options.full)


def configurations(only: str, file: Path | None, *, full: bool) -> int:
    """Search, and show what came of it."""
    from tests.reliability.search.configurations import ALL, FULL, QUICK

    chosen = {only: ALL[only]} if only else ALL if full else QUICK
    rows = [figures(name, "", configuration) for name, configuration in chosen.items()]
    show(rows, ("configuration", "mode", "states", "transitions", "seconds", "result"))
    keep(file, rows, FULL.keys() <= chosen.keys())
    return int(any(each["problem"] for each in rows))


def mutations(only: str, file: Path | None) -> int:
    """Search with one broken rule after the other, in both modes."""
    from tests.reliability.search.mutations import MUTATIONS

    chosen = {only: MUTATIONS[only]} if only else MUTATIONS
    rows = []
    for name, mutation in chosen.items():
        for seen in mutation.seen:
            with mutation.broken():
                row = figures(name, mutation.says, seen.configuration)
            rows.append({**row, "cannot": seen.cannot})
    columns = ("configuration", "mode", "broken", "states", "moves", "result", "cannot")
    show(rows, columns, trace=bool(only))
    keep(file, rows, full=not only)
    return int(not all(as_said(each) for each in rows))


def as_said(row: dict[str, Any]) -> bool:
    """Whether a broken rule was noticed; or was not, where it cannot be."""
    return bool(row["problem"]) != bool(row["cannot"])


def figures(name: str, broken: str, configuration: Any) -> dict[str, Any]:
    from apps.contracts.plan import Mode
    from tests.reliability.search.exploring import search

    began = time.monotonic()
    found = search(configuration)
    told = f"{name}: {found.states:,} states, {found.result}"
    Console(stderr=True).print(told, highlight=False, soft_wrap=True)
    return {
        "configuration": name,
        "broken": broken,
        **found._asdict(),
        "result": found.result,
        "mode": str(Mode.CHOREOGRAPHED if configuration.by_events else Mode.ORCHESTRATED),
        "cancels": configuration.cancel,
        "moves": len(found.trace),
        "seconds": round(time.monotonic() - began, 1),
    }


def show(rows: Iterable[dict[str, Any]], columns: Iterable[str], *, trace: bool = True) -> None:
    console, table = Console(), Table(*columns)
    for row in rows:
        table.add_row(*(cell(row[each]) for each in columns))
    console.print(table)
    for row in rows:
        if trace and row["problem"]:
            console.print(f"{row['configuration']}: {row['problem']}", highlight=False)
            for number, text in enumerate(row["trace"], 1):
                console.print(f"  {number:2}. {text}", highlight=False)


def cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def keep(file: Path | None, rows: list[dict[str, Any]], full: bool) -> None:
    if file:
        told = [{name: each for name, each in row.items() if each not in ("", ())} for row in rows]
        file.write_text(json.dumps({"full": full, "searches": told}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
