"""What the processes of the local stack take of the machine."""

from pathlib import Path

from django.conf import settings

from sagaplatform.stack import procfs
from sagaplatform.stack.layout import Layout
from sagaplatform.stack.supervision import Supervisor


def memory_of_stack() -> dict[str, int]:
    """Resident bytes of each process with its children, and of all; empty where none runs.

    Memory that processes share (PostgreSQL's buffers) counts once in each sum.
    """
    root = Path(settings.BASE_DIR)
    supervisor = Supervisor(Layout(root=root, home=root / ".local"))
    found = {
        state.name: procfs.memory(procfs.family(state.pid))
        for state in supervisor.states()
        if state.pid
    }
    if pid := supervisor.pid():
        found["all, with their supervisor"] = procfs.memory(procfs.family(pid))
    return found
