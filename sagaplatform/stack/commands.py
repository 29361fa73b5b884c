"""Running the project's own commands, with the environment that they need."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sagaplatform.stack.environment import without_servers
from sagaplatform.stack.errors import CommandFailed, CommandNotFound, NoProject
from sagaplatform.stack.files import write_private
from sagaplatform.stack.layout import Layout
from sagaplatform.stack.procfs import family
from sagaplatform.stack.signals import Interrupted
from sagaplatform.stack.terminal import step

PATIENCE = 20.0


def child_environment(values: Mapping[str, str]) -> dict[str, str]:
    """Our environment with `values`; `python` is the one that runs us."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    return without_servers(os.environ) | {"PATH": path} | dict(values)


def manage(layout: Layout, text: str, command: str, values: Mapping[str, str]) -> str:
    """Run a manage.py command quietly as a step; its output goes to a log and is returned."""
    program = layout.root / "manage.py"
    if not program.exists():
        raise NoProject(path=program)
    with step(text):
        result = subprocess.run(
            [sys.executable, str(program), command],
            cwd=layout.root,
            env=child_environment(values),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        log = layout.log(command)
        write_private(log, result.stdout)  # it may show passwords
        if result.returncode:
            raise CommandFailed(
                what=f"`manage.py {command}`",
                status=result.returncode,
                log=log,
                tail=result.stdout.splitlines()[-15:],
            )
    return result.stdout


def run(words: Sequence[str], values: Mapping[str, str], folder: Path) -> int:
    """Run the user's command in the foreground. Returns its exit status."""
    environ = child_environment(values)
    try:
        child = subprocess.Popen(words, cwd=folder, env=environ)
    except (FileNotFoundError, PermissionError) as missing:
        raise CommandNotFound(command=words[0]) from missing
    try:
        status = child.wait()
    except Interrupted as interrupt:
        _end(child, interrupt.number)
        raise
    return status if status >= 0 else 128 - status


def _end(child: subprocess.Popen[bytes], number: int) -> None:
    """Pass the signal on to the command and all that it started (the terminal may have done so for
    Ctrl-C, which harms nobody), and wait."""
    for pid in family(child.pid):
        _signal(pid, number)
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
