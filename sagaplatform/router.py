"""Which database a model lives in: its app's own, or `default` for what belongs to no context."""

from typing import Any

from django.db.models import Model

from sagaplatform.env import CONTEXTS


class ContextRouter:
    """A context's tables are in its own database and nowhere else.

    Rows of different databases cannot be related: there are ids between contexts, no foreign keys.
    """

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return alias_of(model._meta.app_label)

    db_for_write = db_for_read

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        return alias_of(one._meta.app_label) == alias_of(other._meta.app_label)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return alias_of(app_label) == db


def alias_of(app_label: str) -> str:
    """The database alias of an app."""
    return app_label if app_label in CONTEXTS else "default"
