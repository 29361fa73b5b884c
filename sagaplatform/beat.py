"""Beat's schedulers: what they send is in the database `default`, where operations staff may change
it, or in the code where contexts run without it."""

from celery import beat
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from apps.messaging.waking import EXPIRES_SECONDS
from sagaplatform.celery import schedule


class Scheduler(DatabaseScheduler):
    """Writes what the schedule has and the database has not, and leaves the rest as it is.

    django-celery-beat's own writes the code's interval over that of the database at each start.
    """

    def setup_schedule(self) -> None:
        known = set(PeriodicTask.objects.values_list("name", flat=True))
        self.update_from_dict({n: entry for n, entry in schedule().items() if n not in known})


class PlainScheduler(beat.Scheduler):
    """For contexts that run alone, without `default`: the schedule as the code has it."""

    def setup_schedule(self) -> None:
        plain = {"options": {"expires": EXPIRES_SECONDS}}  # the word for it outside the database
        self.update_from_dict({name: {**entry, **plain} for name, entry in schedule().items()})
