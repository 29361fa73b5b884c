"""A worker for outside calls: `python -m tests.reliability.crash.worker payments`.

It does every 50 ms what a Celery task does when it is woken. Celery only wakes: what is to be done
stands in the database, and `calls.work` is the same code in both.
"""

import sys
import time

import django

PAUSE_SECONDS = 0.05


def main(context: str) -> None:
    """Work until it is killed."""
    from apps.messaging.calls import work
    from apps.messaging.failpoints import arm

    arm()
    while True:
        work(context)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    django.setup()
    main(sys.argv[1])
