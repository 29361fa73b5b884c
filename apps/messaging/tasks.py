"""What Celery runs. Woken by name; the rows say what there is to do."""

from celery import shared_task

from apps.messaging.crew import crew


@shared_task(name="messaging.work_intents", ignore_result=True)
def work_intents(context: str) -> None:
    """Have the outside calls of a context that are due carried out; returns at once."""
    crew(context).wake()
