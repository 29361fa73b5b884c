"""Processes as /proc shows them (Linux): family, memory, and whose stack they belong to."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sagaplatform.stack.errors import StillRunning

MARK = "SAGAPLATFORM_STACK_HOME"  # in the environment of everything that the supervisor starts
PROC = Path("/proc")


def marked(home: Path) -> list[int]:
    """Processes that were started by the stack of that home, whoever their parent is now."""
    mark = f"{MARK}={home}".encode()
    return [pid for pid in _pids() if mark in _read(pid, "environ").split(b"\0")]


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    parents = {child: _parent(child) for child in _pids()}
    found = [pid]
    for member in found:
        found += [child for child, parent in parents.items() if parent == member]
    return found


def memory(pids: Iterable[int]) -> int:
    """Proportional set size in bytes: a page that several processes share counts once, in parts.

    Resident size where the kernel does not tell (another user's process).
    """
    return sum(map(_memory, pids)) * 1024


def _memory(pid: int) -> int:
    return _kilobytes(pid, "smaps_rollup").get("Pss") or _kilobytes(pid, "status").get("VmRSS", 0)


def end(pids: Callable[[], list[int]], patience: float = 10.0) -> int:
    """End what `pids()` lists, politely first. Returns how many there were."""
    first = pids()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for pid in pids():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        if _gone(pids, patience):
            return len(first)
    raise StillRunning(pids=", ".join(map(str, pids())))


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    state = _read(pid, "stat").rpartition(b")")[2].split()
    return bool(state) and state[0] not in (b"Z", b"X")


def _gone(pids: Callable[[], list[int]], patience: float) -> bool:
    until = time.monotonic() + patience
    while pids():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def _pids() -> list[int]:
    numbers = [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
    return [pid for pid in numbers if pid != os.getpid()]


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _kilobytes(pid: int, file: str) -> dict[str, int]:
    """The fields of a file under /proc/PID that are given in kB."""
    lines = (line.split() for line in _read(pid, file).decode().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1:] == ["kB"]}
