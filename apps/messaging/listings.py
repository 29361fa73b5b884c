"""Migrations of the views that Django's admin looks through at tables with a key of two columns."""

from django.db.migrations import RunSQL

# What a saga log tells, without the answers' payloads.
SAGA_LOG = """
CREATE VIEW {context}_sagaloglisting AS
SELECT saga_id || ':' || step AS id, saga_id, step, status, generation, answer_type, started_at,
    changed_at
FROM {context}_sagalog
"""


def saga_log_view(context: str) -> RunSQL:
    """Make the view of a context's saga log."""
    create = SAGA_LOG.replace("{context}", context)
    return RunSQL(create, f"DROP VIEW {context}_sagaloglisting")
