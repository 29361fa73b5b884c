"""Three users to look around with."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.management import BaseCommand, CommandError

NAMES = ("customer", "support", "admin")


class Command(BaseCommand):
    help = "Create the users customer, support and admin for a demonstration (only with DEBUG)."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Demonstration users are for DEBUG=1 only; use createsuperuser.")
        passwords = keep_passwords(settings.BASE_DIR / ".local" / "demo-users.json")
        for name in NAMES:
            create_user(name, passwords[name])
            self.stdout.write(f"{name:<10}{passwords[name]}")


def keep_passwords(file: Path) -> dict[str, str]:
    """The passwords in the file, which only its owner can read; made up the first time."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = {name: secrets.token_urlsafe(12) for name in NAMES}
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(made, out, indent=2)
    passwords: dict[str, str] = json.loads(file.read_text())
    return passwords


def create_user(name: str, password: str) -> None:
    """The user with that password and the rights of the role; changes only what differs."""
    user, _ = User.objects.get_or_create(username=name)
    user.is_staff = name != "customer"
    user.is_superuser = name == "admin"
    if not user.check_password(password):
        user.set_password(password)
    user.save()
    if name == "support":
        user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
