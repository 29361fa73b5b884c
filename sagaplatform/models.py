"""The platform's own table, in the database `default`: what people change there, and why."""

from django.db import models


class StaffAction(models.Model):
    """A change of users, roles, flags or the schedule, by whom and why.

    Append-only, written in the change's own transaction. What is done to sagas and messages is
    written down in their own databases, for the same reason.
    """

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)  # a user; null: somebody at a terminal
    actor = models.TextField()  # the name, which outlives the user
    operation = models.TextField()  # change_flag, reset_second_factor, …
    subject_kind = models.TextField()  # flag, user, group, …
    subject = models.TextField()  # its name
    before = models.JSONField()  # what was changed, by field; nothing secret
    after = models.JSONField()
    reason = models.TextField()

    class Meta:
        constraints = [
            # Dots and dashes are no reason. A letter beyond ASCII is one in no locale's own way,
            # so that this does not depend on how the database was made.
            models.CheckConstraint(
                condition=models.Q(reason__regex="[A-Za-z]|[^ -~[:space:]]"),
                name="staffaction_has_a_reason",
            ),
            # Nobody acts unnamed.
            models.CheckConstraint(condition=~models.Q(actor=""), name="staffaction_has_an_actor"),
        ]
        indexes = [models.Index(fields=["subject_kind", "subject"], name="staffaction_on")]

    def __str__(self) -> str:
        return f"{self.operation} by {self.actor}"
