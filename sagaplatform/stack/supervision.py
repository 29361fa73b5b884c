"""supervisord, which starts the processes again when they die: its configuration, its remote."""

import contextlib
import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from xml.parsers.expat import ExpatError

from sagaplatform.stack import procfs
from sagaplatform.stack.accounts import Account
from sagaplatform.stack.environment import without_servers
from sagaplatform.stack.errors import ServerFailed
from sagaplatform.stack.files import own_folder, tail, write_private
from sagaplatform.stack.layout import Layout
from sagaplatform.stack.processes import Process

SERVERS, PLATFORM = "servers", "platform"
LONGEST_SOCKET = 100  # the kernel's limit is 107 bytes, and supervisord adds some for a draft
SHUTDOWN_STATE = 6  # the fault by which supervisord refuses all calls while it shuts down
STOPPED = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
ALIVE = ("STARTING", "RUNNING")  # STARTING: younger than its start_seconds


@dataclass(frozen=True)
class Program:
    """One [program:x] of supervisord's configuration."""

    name: str
    command: str
    folder: Path
    start_seconds: int
    retries: int
    stop_signal: str
    stop_seconds: int
    account: Account | None = None
    environ: Mapping[str, str] = field(default_factory=dict)  # nothing secret: others can read it

    def options(self, layout: Layout) -> dict[str, str]:
        options = {
            "command": self.command,
            "directory": str(self.folder),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": str(self.start_seconds),
            "startretries": str(self.retries),
            "stopsignal": self.stop_signal,
            "stopwaitsecs": str(self.stop_seconds),
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": str(layout.log(self.name)),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "3",
        }
        if self.account:
            options["user"] = self.account.name
        if self.environ:
            given = self.environ.items()
            options["environment"] = ",".join(f'{name}="{value}"' for name, value in given)
        return options


def platform_program(process: Process, layout: Layout) -> Program:
    wrapper = [sys.executable, "-P", str(Path(__file__).with_name("with_env.py"))]
    words = [word.format(home=layout.home) for word in shlex.split(process.command)]
    command = shlex.join([*wrapper, str(layout.app_env), *words])
    return Program(
        process.name,
        command,
        folder=layout.root,
        start_seconds=10,  # who dies younger is tried again more and more slowly
        retries=10,
        stop_signal="TERM",
        stop_seconds=process.patience,
        # Only what keeps running counts there, not each command that is called in passing.
        environ={"PROMETHEUS_MULTIPROC_DIR": str(layout.metrics)},
    )


def write_config(layout: Layout, servers: Sequence[Program], platform: Sequence[Program]) -> None:
    """Servers first, and (since the order is reversed then) stopped last."""
    sections: dict[str, dict[str, str]] = {
        "unix_http_server": {"file": str(socket_path(layout)), "chmod": "0700"},
        "supervisord": {
            "logfile": str(layout.log("supervisord")),
            "logfile_maxbytes": "0",
            "pidfile": str(layout.home / "supervisord.pid"),
            "childlogdir": str(layout.logs),
            "nocleanup": "true",
            "nodaemon": "true",
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    if os.geteuid() == 0:
        sections["supervisord"]["user"] = "root"
    for priority, (group, programs) in enumerate({SERVERS: servers, PLATFORM: platform}.items()):
        names = ",".join(program.name for program in programs)
        if names:
            sections[f"group:{group}"] = {"programs": names, "priority": str(priority)}
        for program in programs:
            sections[f"program:{program.name}"] = program.options(layout)
    _write(layout.supervisor_config, sections)


def _write(path: Path, sections: Mapping[str, Mapping[str, str]]) -> None:
    lines: list[str] = []
    for name, options in sections.items():
        lines += [f"[{name}]", *(f"{key}={_escaped(value)}" for key, value in options.items()), ""]
    write_private(path, "\n".join(lines))


def _escaped(value: str) -> str:
    return value.replace("%", "%%")


def socket_path(layout: Layout) -> Path:
    """In the home, or in /tmp when the home's path is too long for a socket's name."""
    inside = layout.home / "supervisor.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET:
        return inside
    folder = Path(f"/tmp/sagaplatform-{os.geteuid()}-{layout.tag}")  # noqa: S108 - checked
    return own_folder(folder, 0o700) / "supervisor.sock"


# --- the remote control


@dataclass(frozen=True)
class State:
    """A process as supervisord sees it."""

    group: str
    name: str
    state: str
    pid: int
    started: float

    @property
    def alive(self) -> bool:
        return self.state in ALIVE


class Supervisor:
    """supervisord of one home, running or not."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers. It lives in a session of its own, so that Ctrl-C in
        the terminal reaches only us, and we stop things in order."""
        log = self.layout.log("supervisord")
        log.write_text("")
        environ = without_servers(os.environ) | {procfs.MARK: str(self.layout.home)}
        command = [sys.executable, "-m", "supervisor.supervisord"]
        self._child = subprocess.Popen(
            [*command, "-c", str(self.layout.supervisor_config)],
            cwd=self.layout.home,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not self.runs():
            if self._child.poll() is not None:
                raise ServerFailed(what="supervisord", log=log, tail=tail(log))
            time.sleep(0.05)

    def runs(self) -> bool:
        return self.pid() is not None

    def pid(self) -> int | None:
        """Its process id; None when it does not run."""
        try:
            return int(cast(int, self._call("getPID")))
        except OSError:
            return None

    def states(self, group: str | None = None) -> list[State]:
        """All its processes, or those of one group; none when it does not run."""
        try:
            found = cast(list[dict[str, Any]], self._call("getAllProcessInfo"))
        except OSError:
            return []
        states = [
            State(each["group"], each["name"], each["statename"], each["pid"], each["start"])
            for each in found
        ]
        return [state for state in states if group in (None, state.group)]

    def start_group(self, group: str) -> None:
        """Start what does not run yet; returns at once."""
        for state in self.states(group):
            if state.state in STOPPED:
                with contextlib.suppress(xmlrpc.client.Fault):  # it started meanwhile
                    self._call("startProcess", f"{group}:{state.name}", False)

    def stop_group(self, group: str) -> None:
        """Stop all of a group together; returns when they are gone."""
        if self.states(group):
            self._call("stopProcessGroup", group)

    def shut_down(self, patience: float = 90.0) -> None:
        """Stop everything, the platform before the servers, and supervisord itself."""
        pid = self.pid()
        if pid is None:
            return
        with contextlib.suppress(OSError, xmlrpc.client.Fault):  # it is shutting down already
            self._call("shutdown")
        until = time.monotonic() + patience
        while procfs.alive(pid) and time.monotonic() < until:
            time.sleep(0.05)
        if self._child and not procfs.alive(pid):
            self._child.wait()

    def _call(self, method: str, *arguments: Any) -> object:
        transport = _UnixTransport(socket_path(self.layout))
        with xmlrpc.client.ServerProxy("http://supervisor", transport=transport) as remote:
            return getattr(remote.supervisor, method)(*arguments)


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC through a Unix socket. Every failure to talk is an OSError, and so is what
    supervisord says while it shuts down: it answers nobody any more."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = host, connection  # so that close() finds it
        return connection

    def request(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().request(*arguments, **options)
        except xmlrpc.client.Fault as refusal:
            if refusal.faultCode != SHUTDOWN_STATE:
                raise
            raise ConnectionError("supervisord is shutting down") from refusal
        except (http.client.HTTPException, xmlrpc.client.Error, ExpatError) as broken:
            raise ConnectionError(str(broken)) from broken  # it died in the middle of a word


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("supervisor")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise
