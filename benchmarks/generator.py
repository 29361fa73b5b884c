"""A process that starts sagas as fast as it can: `python -m benchmarks.generator`, see load.py."""

import sys
import time
from importlib import import_module
from pathlib import Path

import django
import msgspec

from benchmarks.load import Door, Report, new_ticket


def main(system: str, spec: str, number: str, sagas: str) -> None:
    django.setup()
    systems = import_module("benchmarks.systems")  # it needs Django
    door: Door = systems.door_of(system, Path(spec), int(number) + 1)
    say("ready")
    sys.stdin.readline()
    cpu, starts = time.process_time(), {}
    for _ in range(int(sagas)):
        ticket = new_ticket()
        starts[ticket] = time.monotonic()
        door.place(ticket)
    door.close()
    report = Report(starts, time.process_time() - cpu)
    say(msgspec.json.encode(report).decode())


def say(line: str) -> None:
    """Tell the process that started this one."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
