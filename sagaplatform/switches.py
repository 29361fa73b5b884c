"""The switches that there are: one for each optional step of a live definition, off until somebody
turns it on in the admin. Who may turn flags need not know what they are called."""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.db.models.signals import post_migrate

from apps.processes.registry import LIVE


def keep_switches_after_migrations() -> None:
    """Connect `keep_switches` to the end of a migration of `default`, where orders is at home: no
    other context reads switches."""
    if installed.is_installed("apps.orders"):
        waffle = installed.get_app_config("waffle")
        post_migrate.connect(_migrated, sender=waffle, dispatch_uid="sagaplatform.switches")


def _migrated(sender: AppConfig, using: str, apps: Any = installed, **facts: object) -> None:
    """Receives post_migrate. `apps` are the models as migrated, which may be none yet."""
    try:
        switches = apps.get_model("waffle", "Switch")
    except LookupError:
        return
    if using == "default":
        keep_switches(switches)


def keep_switches(switches: Any) -> None:
    """Make those that are missing, switched off. Others stay as somebody left them."""
    for definition in LIVE:
        for step in definition.steps:
            if step.wish:
                note = f"The step {step.name} of {definition.name}, for new orders."
                switches.objects.get_or_create(name=step.wish, defaults={"note": note})
