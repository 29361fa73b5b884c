"""`python -m tests.alone.importing`: import every module of ours that a deployment has installed.

Prints their names, so that a test sees what was imported.
"""

import os
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import django
from django.apps import apps

NEVER = ("sagaplatform.stack",)  # the local stack, which runs without Django


def modules() -> Iterator[str]:
    """The modules of the installed apps of ours, each under its own app."""
    ours = {each.name for each in apps.get_app_configs() if is_ours(each.name)}
    for app in sorted(ours):
        package = import_module(app)
        for found in pkgutil.walk_packages(package.__path__, f"{app}."):
            if not found.name.startswith((*NEVER, *nested(app))):
                yield found.name


def nested(app: str) -> tuple[str, ...]:
    """The apps inside an app, installed or not."""
    return ("sagaplatform.shop",) if app == "sagaplatform" else ()


def is_ours(name: str) -> bool:
    return name.partition(".")[0] in ("apps", "sagaplatform")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    django.setup()
    for name in modules():
        import_module(name)
        print(name)  # noqa: T201
