"""What a worker does when it is woken."""

from celery import shared_task

from apps.messaging import calls, jobs
from apps.messaging.context import contexts
from apps.messaging.waking import RUN_JOB, WORK_INTENTS


@shared_task(name=WORK_INTENTS)
def work_intents(context: str) -> None:
    """Make the outside calls that are due in one context. Others' workers are told of it too."""
    if context in {each.label for each in contexts()}:
        calls.work(context)


@shared_task(name=RUN_JOB)
def run_job(context: str, job: str) -> None:
    """Do what a context wants done again and again. Others' workers are told of it too."""
    jobs.run_job(context, job)
