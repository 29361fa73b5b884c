from typing import get_args

from django.core.checks import register

from apps.messaging.context import ContextConfig
from apps.messaging.database import Database
from apps.sagas.state import Move
from apps.sagas.versions import lacking


class SagasConfig(ContextConfig):
    name = "apps.sagas"
    label = "sagas"
    default = True  # Django sees the imported base beside it and would take neither
    operations = (
        *(each.__name__.lower() for each in get_args(Move)),
        "reveal", "assign", "note", "close", "request", "approve", "decline", "withdraw",
    )  # fmt: skip

    def ready(self) -> None:
        from apps.sagas.checks import waits_fit  # noqa: PLC0415  the handlers need the models

        register(waits_fit)

    def lacks(self, database: Database) -> str:
        """The versions that live sagas began with, where no definition here is of that version."""
        return lacking(database)
