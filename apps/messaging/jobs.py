"""What a context has workers do again and again, beside its outside calls.

A context declares `jobs` in its AppConfig. Beat asks for each of them every so often, and `wake`
asks at once; either may be lost, late or double, so a job finds out for itself, in rows, what is
due.
"""

from django.utils.module_loading import import_string

from apps.messaging.context import contexts


def run_job(context: str, name: str) -> bool:
    """Carry a job out; False where no context that is installed here has it."""
    for each in contexts():
        for job in each.jobs:
            if (each.label, job.name) == (context, name):
                import_string(job.run)()
                return True
    return False
