"""What a context has workers do again and again, beside its outside calls.

A context declares `jobs` in its AppConfig. Beat asks for each of them every so often, and `wake`
asks at once; either may be lost, late or double, so a job finds out for itself, in rows, what is
due. Of each job one runs at a time in a process: however long a mail server is silent, and however
often somebody asks meanwhile, it takes one thread.
"""

import threading
from collections.abc import Callable

from django.utils.module_loading import import_string

from apps.messaging.context import contexts

Key = tuple[str, str]  # a context and the name of its job

# What runs in this process, and whether somebody has asked since its last look.
_running: dict[Key, bool] = {}
_guard = threading.Lock()


def run_job(context: str, name: str) -> bool:
    """Carry a job out; False where no context that is installed here has it.

    Where it runs already, that one looks once more, and this call returns at once.
    """
    for each in contexts():
        for job in each.jobs:
            if (each.label, job.name) == (context, name):
                _run_alone((context, name), import_string(job.run))
                return True
    return False


def _run_alone(key: Key, job: Callable[[], object]) -> None:
    with _guard:
        runs_already = key in _running
        _running[key] = True
    if runs_already:
        return
    try:
        while _is_wanted(key):
            job()
    except BaseException:  # the database is away, for whoever asks: beat's next finds what is due
        with _guard:
            del _running[key]
        raise


def _is_wanted(key: Key) -> bool:
    """Whether somebody has asked since the last look. Where nobody has, the job has ended with this
    answer: who asks from then on runs it anew."""
    with _guard:
        wanted = _running.pop(key)
        if wanted:
            _running[key] = False
        return wanted
