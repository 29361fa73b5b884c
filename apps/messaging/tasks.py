"""What a worker does when it is woken."""

from celery import shared_task

from apps.messaging import calls
from apps.messaging.context import contexts
from apps.messaging.waking import WORK_INTENTS


@shared_task(name=WORK_INTENTS)
def work_intents(context: str) -> None:
    """Make the outside calls that are due in one context. Others' workers are told of it too."""
    if found := {each.label: each for each in contexts()}.get(context):
        found.work_beside()
        calls.work(context)
