"""Placeholder until the branch with Celery is merged."""


def wake(context: str) -> None:
    """Tell a worker that something is due."""
