"""A worker that leaves a note instead of making calls: `python -m tests.messaging.worker`.

The note is a row of the context that it was woken for, and tells the worker's process.
"""

import os

import django
from django.core.management import call_command
from uuid_utils.compat import uuid7

NOTE = """
INSERT INTO {context}_barriernote
  (id, saga_id, step, action, generation, decision, message_id, noted_at)
VALUES (%b, %b, %b, 'do', 1, 'woken', %b, clock_timestamp())
"""


def leave_note(context: str) -> int:
    """What stands in for `calls.work`."""
    from apps.messaging.database import Database

    Database(context).execute(NOTE, [uuid7(), uuid7(), str(os.getpid()), uuid7()])
    return 1


def main() -> None:
    django.setup()
    from apps.messaging import calls

    calls.work = leave_note
    call_command("run_worker")


if __name__ == "__main__":
    main()
