"""Users to look around with, one for each role."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.core.management import BaseCommand, CommandError

from sagaplatform.roles import ROLES, keep_roles

CUSTOMER, ADMIN = "customer", "admin"
NAMES = (CUSTOMER, *ROLES, ADMIN)


class Command(BaseCommand):
    help = (
        "Create a customer, a user of each role and an administrator for a demonstration (only"
        " with DEBUG)."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Demonstration users are for DEBUG=1 only; use createsuperuser.")
        passwords = keep_passwords(settings.BASE_DIR / ".local" / "demo-users.json")
        keep_roles(Group, Permission)
        for name in NAMES:
            create_user(name, passwords[name])
            self.stdout.write(f"{name:<12}{passwords[name]}")


def keep_passwords(file: Path) -> dict[str, str]:
    """The passwords in the file, which only its owner can read; those that it lacks are made up."""
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    passwords = {name: kept.get(name) or secrets.token_urlsafe(12) for name in NAMES}
    if passwords != kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(passwords, out, indent=2)
    return passwords


def create_user(name: str, password: str) -> None:
    """The user with that password and the rights of the role; changes only what differs."""
    user, _ = User.objects.get_or_create(username=name)
    user.is_staff = name != CUSTOMER
    user.is_superuser = name == ADMIN
    if not user.check_password(password):
        user.set_password(password)
    user.save()
    user.user_permissions.clear()
    user.groups.set(Group.objects.filter(name=name) if name in ROLES else [])
