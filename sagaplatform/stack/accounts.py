"""The user as whom PostgreSQL runs: ourselves, or, since its server refuses root, another one."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sagaplatform.stack.errors import NoServerAccount


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """None when we are an ordinary user and the server simply runs as us."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, found.pw_uid, found.pw_gid)
    raise NoServerAccount


def run_as(
    account: Account | None, command: Sequence[str | Path], cwd: Path = Path("/")
) -> subprocess.CompletedProcess[str]:
    """Run a command as that account and collect its output (stderr with stdout)."""
    return subprocess.run(
        command,
        cwd=cwd,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def can_execute(account: Account | None, path: Path) -> bool:
    """Whether that account reaches the path and may execute (a folder: enter) it. Really tried:
    modes of parents, ACLs and mount options all have a say."""
    return run_as(account, ["test", "-x", path]).returncode == 0


def hand_over(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)
