"""Who uses the stack. A lock vanishes with its process, so nothing has to be cleaned up."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sagaplatform.stack.layout import Layout
from sagaplatform.stack.terminal import say


@dataclass(frozen=True)
class User:
    """A command (`up`, `run`) that keeps the stack running while it lives."""

    pid: int
    command: str
    platform: bool  # needs the platform's processes too, not only the servers
    since: float


@contextlib.contextmanager
def setup(layout: Layout) -> Iterator[None]:
    """Only one command at a time starts or stops things; a second one waits here."""
    with layout.setup_lock.open("a+") as file:
        if not _try_lock(file):
            say("  another command is starting or stopping the stack, waiting for it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Presence:
    """Announces a user for as long as its process lives or until `withdraw`."""

    def __init__(self, layout: Layout, command: str, *, platform: bool) -> None:
        me = User(os.getpid(), command, platform, time.time())
        self._path = layout.users / f"{command}-{me.pid}.json"
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        json.dump(me.__dict__, self._file)
        self._file.flush()

    def withdraw(self) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()


def present(layout: Layout) -> list[User]:
    """The users that are alive, this process not counted; traces of dead ones are removed."""
    found = (_read_user(path) for path in sorted(layout.users.glob("*.json")))
    return [user for user in found if user is not None and user.pid != os.getpid()]


def _read_user(path: Path) -> User | None:
    try:
        with path.open("r+") as file:
            if _try_lock(file):
                path.unlink(missing_ok=True)
                return None
            return User(**json.load(file))
    except (FileNotFoundError, ValueError):
        return None


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
