"""What Django checks at each start: that what was named to run here has its databases."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from apps.messaging.context import configured_databases, variable_of
from apps.processes import RETURN_ORDER
from apps.processes.return_order import DAY

SPARE_DAYS = 10  # between the last day on which goods are awaited and their saga's deadline


def named_contexts_have_databases(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Where SAGA_CONTEXTS names contexts, the database of each is configured. Where it is empty, a
    process is one of the whole platform's, and is given only the databases that it uses."""
    return _without_address("sagaplatform.E001") if settings.IS_NAMED else []


def all_have_databases(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """For `check --deploy`: every database that a web process of this deployment needs."""
    return [] if settings.IS_NAMED else _without_address("sagaplatform.E002")


def returns_arrive_before_their_deadline(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Goods are awaited as long as RETURN_ARRIVES_WITHIN_DAYS says, then refused. Their saga must
    still live then."""
    most = int(RETURN_ORDER.deadline / DAY) - SPARE_DAYS
    if 1 <= settings.RETURN_ARRIVES_WITHIN_DAYS <= most:
        return []
    problem = f"RETURN_ARRIVES_WITHIN_DAYS is {settings.RETURN_ARRIVES_WITHIN_DAYS}."
    return [Error(problem, hint=f"Set it to 1 to {most} days.", id="sagaplatform.E003")]


def _without_address(id: str) -> list[CheckMessage]:
    missing = set(settings.NEEDED_DATABASES).difference(configured_databases())
    return [
        Error(
            f"The database of {alias} has no address.",
            hint=f"Set {variable_of(alias)}. SAGA_CONTEXTS says which contexts run here.",
            id=id,
        )
        for alias in settings.NEEDED_DATABASES
        if alias in missing
    ]
