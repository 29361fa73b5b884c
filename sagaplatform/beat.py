"""Beat's scheduler: what it sends is in the database, where operations staff may change it."""

from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from sagaplatform.celery import schedule


class Scheduler(DatabaseScheduler):
    """Writes what the schedule has and the database has not, and leaves the rest as it is.

    django-celery-beat's own writes the code's interval over that of the database at each start.
    """

    def setup_schedule(self) -> None:
        known = set(PeriodicTask.objects.values_list("name", flat=True))
        self.update_from_dict({n: entry for n, entry in schedule().items() if n not in known})
