"""`python -m tests.alone.looking`: open every list of the admin, and the home page, as a superuser.

Each line is an address with the status that it was answered with.
"""

import os
import sys

import django

BACKEND = "django.contrib.auth.backends.ModelBackend"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
    django.setup()
    from django.contrib.admin import site
    from django.contrib.auth.models import User
    from django.test import Client
    from django.urls import reverse

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("ada"), BACKEND)
    lists = [f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist" for m in site._registry]
    for address in map(reverse, ("admin:index", *lists)):
        sys.stdout.write(f"{client.get(address).status_code} {address}\n")


if __name__ == "__main__":
    main()
