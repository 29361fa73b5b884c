"""Who used the processors, as /proc counts it."""

from collections.abc import Mapping
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]
import psycopg
from psutil import Process

CORES = psutil.cpu_count() or 1


class Used(NamedTuple):
    """A reading: seconds of processor time since each process began."""

    by_process: Mapping[str, float]
    idle: float  # of all cores together

    def since(self, earlier: "Used") -> dict[str, float]:
        """Seconds of each process since an earlier reading."""
        return {name: self.by_process[name] - earlier.by_process[name] for name in self.by_process}

    def busy_since(self, earlier: "Used", seconds: float) -> float:
        """The share of all cores that was in use."""
        return 1 - (self.idle - earlier.idle) / (seconds * CORES)


def read(processes: Mapping[str, Process], servers: Mapping[str, Process]) -> Used:
    """Read all of them; a server together with its children."""
    times = psutil.cpu_times()
    by_process = {name: _own_seconds(process) for name, process in processes.items()}
    by_process |= {name: _family_seconds(process) for name, process in servers.items()}
    return Used(by_process, times.idle + getattr(times, "iowait", 0.0))


def _own_seconds(process: Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _family_seconds(process: Process) -> float:
    """Of the process, its living children, and those that ended."""
    times = process.cpu_times()
    ended = times.children_user + times.children_system
    return times.user + times.system + ended + sum(map(_child_seconds, process.children()))


def _child_seconds(process: Process) -> float:
    try:
        return _own_seconds(process)
    except psutil.NoSuchProcess:
        return 0.0


# --- processes of the servers, where they run on this machine


def postmaster(connection: psycopg.Connection) -> Process | None:
    """PostgreSQL's main process; None where it is not on this machine."""
    backend = connection.info.backend_pid
    if not psutil.pid_exists(backend):
        return None
    parent = Process(backend).parent()
    return parent if parent and parent.name().startswith("postgres") else None


def broker(address: str) -> Process | None:
    """Who listens on Kafka's port; None where it is not on this machine."""
    port = int(address.split(",", maxsplit=1)[0].rpartition(":")[2])
    for each in psutil.net_connections("tcp"):
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid:
            return Process(each.pid)
    return None
