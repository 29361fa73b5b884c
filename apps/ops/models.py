"""What ops writes down: when the databases were last checked, and what came of it."""

from django.db import models


class ConservationCheck(models.Model):
    """One run of the conservation check (append-only). In `default`: it belongs to no context."""

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    checked_at = models.DateTimeField()
    seconds = models.FloatField()  # that it took
    laws = models.IntegerField()
    checked = models.BigIntegerField()  # things that a law was asked of, all together
    violations = models.IntegerField()
    broken = models.JSONField()  # the laws with violations, as the proof tells them
    live_sagas = models.IntegerField()  # of which it does not speak yet

    def __str__(self) -> str:
        return f"{self.violations} violations of {self.laws} laws"
