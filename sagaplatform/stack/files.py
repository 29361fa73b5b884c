"""Small helpers for files: private ones, tails, folders outside the home."""

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

from sagaplatform.stack.errors import NoSpace, NotOurs


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step; nobody else may read it (mode 0600)."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file; an absent file is an empty object."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def tail(path: Path, lines: int = 15) -> list[str]:
    """The last lines of a log; none when there is no log."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 32_768))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def own_folder(path: Path, mode: int) -> Path:
    """A folder in a place where everybody may write (/tmp, /var/tmp), made or found to be ours."""
    path.mkdir(mode=mode, exist_ok=True)
    found = path.lstat()
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or others_write:
        raise NotOurs(path=path)
    path.chmod(mode)
    return path


def empty_folder(path: Path) -> None:
    """The folder with nothing in it; nobody else may enter it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)


def require_space(path: Path, megabytes: int) -> None:
    free = shutil.disk_usage(path).free // 1_000_000
    if free < megabytes:
        raise NoSpace(path=path, free=free, needed=megabytes)
