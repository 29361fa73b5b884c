"""Deployments of some contexts: processes whose environment has no other database's address."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from sagaplatform.stack.procfs import family
from tests.running import PATIENCE_SECONDS, ROOT

WEB = (
    "-m", "gunicorn", "sagaplatform.wsgi:application", "--worker-class", "gthread",
    "--threads", "4", "--no-control-socket", "--bind",
)  # fmt: skip


def environment(*contexts: str, users: bool = False, **more: str) -> dict[str, str]:
    """This process's environment with SAGA_CONTEXTS; of the databases' addresses only those of
    these contexts, and that of users where `users` says so."""
    kept = {k: value for k, value in os.environ.items() if not k.startswith("DATABASE_")}
    names = [f"DATABASE_URL_{each.upper()}" for each in (*contexts, *(["default"] * users))]
    given = {name: os.environ[name] for name in names}
    return {**kept, **given, "SAGA_CONTEXTS": ",".join(contexts), "LOG_FORMAT": "text", **more}


def as_owner(environ: dict[str, str]) -> dict[str, str]:
    """The same with the owners' addresses, for a migration."""
    urls = [name for name in environ if name.startswith("DATABASE_URL_")]
    owners = [name.replace("_URL_", "_OWNER_URL_") for name in urls]
    return {**environ, **{name: os.environ[name] for name in owners}, "DATABASE_ROLE": "owner"}


def manage(environ: dict[str, str], *words: str) -> tuple[int, str]:
    """How a command of manage.py ended, and all that it said."""
    return python(environ, "manage.py", *words)


def python(environ: dict[str, str], *words: str) -> tuple[int, str]:
    """How Python ended, and all that it said."""
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environ, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


class Deployment:
    """Processes that share an environment."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self.environ = environ
        self.log = log
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *words: str) -> Self:
        """A command of manage.py."""
        return self._start("manage.py", *words)

    def serve(self, port: int) -> Self:
        """The web process."""
        return self._start(*WEB, f"127.0.0.1:{port}")

    def pids(self) -> list[int]:
        """All processes of this deployment, with those that they have started."""
        return [pid for each in self.processes.values() for pid in family(each.pid)]

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(PATIENCE_SECONDS)

    def _start(self, *words: str) -> Self:
        with self.log.open("ab") as log:
            self.processes[f"{self.log.stem}: {' '.join(words[:3])}"] = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, stdout=log, stderr=log, env=self.environ
            )
        return self


def environ_of(pid: int) -> dict[str, str]:
    """The environment that a process was started with."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(each.split("=", 1) for each in pairs if "=" in each)
