"""Celery: its app, and the schedule of what beat sends.

Celery only wakes workers. What there is to do stands in the databases, as rows with a due time; a
message says "look", one for many rows. So messages may be lost, doubled or late: the sweeps below
find within seconds what no message told of.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init

from sagaplatform.env import load_local_environment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
load_local_environment()

app = Celery("sagaplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.include = ["apps.messaging.tasks"]
app.set_default()  # so that messaging, which must not know us, sends by `current_app`

SWEEP_EVERY_SECONDS = 2


def create_missing_schedules(**kwargs: Any) -> None:
    """A sweep for each context with outside calls, after each migration of `default`.

    What is there stays as it is, so that an interval changed in the admin survives a deploy.
    """
    from django_celery_beat.models import IntervalSchedule, PeriodicTask  # noqa: PLC0415  models

    from apps.messaging.context import contexts_with_intents  # noqa: PLC0415

    if kwargs.get("using", "default") != "default":
        return
    every, _ = IntervalSchedule.objects.get_or_create(
        every=SWEEP_EVERY_SECONDS, period=IntervalSchedule.SECONDS
    )
    for context in contexts_with_intents():
        PeriodicTask.objects.get_or_create(
            name=f"sweep the outside calls of {context}",
            defaults={
                "interval": every,
                "task": "messaging.work_intents",
                "args": f'["{context}"]',
                "expire_seconds": 10,
            },
        )


@worker_init.connect
def begin(**kwargs: Any) -> None:
    """Give metrics; and tests have workers die at named places."""
    from apps.messaging.failpoints import arm  # noqa: PLC0415  after Django's set-up
    from apps.messaging.metrics import serve_metrics  # noqa: PLC0415

    arm()
    serve_metrics()
