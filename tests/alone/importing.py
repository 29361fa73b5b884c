"""`python -m tests.alone.importing`: check a deployment, import all that it has, and tell of it.

The last line is JSON: its databases, its apps of ours, the apps of ours that modules were imported
from, and the addresses of its pages.
"""

import json
import os
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module

import django
from django.apps import apps
from django.core.management import call_command
from django.urls import get_resolver

NEVER = "sagaplatform.stack"  # the local stack, which runs without Django


def modules() -> Iterator[str]:
    """The modules of the installed apps of ours, each under its own app."""
    for app in [each.name for each in apps.get_app_configs() if is_ours(each.name)]:
        others = ("sagaplatform.shop",) if app == "sagaplatform" else ()  # an app in an app
        for found in pkgutil.walk_packages(import_module(app).__path__, f"{app}."):
            if not found.name.startswith((NEVER, *others)):
                yield found.name


def is_ours(name: str) -> bool:
    return name.partition(".")[0] in ("apps", "sagaplatform")


def app_names(names: Iterator[str]) -> list[str]:
    """inventory of apps.inventory.models; of our packages those with apps in them."""
    return sorted({name.split(".")[1] for name in names if name.startswith("apps.")})


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    django.setup()
    from apps.messaging.context import configured_databases

    call_command("check", fail_level="WARNING")
    for name in modules():
        import_module(name)
    found = {
        "databases": configured_databases(),
        "apps": app_names(each.name for each in apps.get_app_configs()),
        "imported": app_names(name for name in sys.modules),
        "pages": list(addresses(get_resolver())),
    }
    sys.stdout.write(json.dumps(found))


def addresses(resolver: django.urls.URLResolver, before: str = "") -> Iterator[str]:
    """The addresses that lead somewhere; of the admin only the first."""
    for each in resolver.url_patterns:
        address = before + str(each.pattern)
        if address != "admin/" and isinstance(each, django.urls.URLResolver):
            yield from addresses(each, address)
        else:
            yield address


if __name__ == "__main__":
    main()
