"""Who gave a password and still owes a code: remembered in the session, and logged in nowhere."""

import time

from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest
from django_otp.models import Device

from apps.messaging.admin.step_up import CONFIRMED_AT

WAITING = "waits_for_second_factor"
PATIENCE_SECONDS = 600


def let_wait(request: HttpRequest, user: User) -> None:
    """Remember who gave their password, in place of whoever was logged in here."""
    logout(request)
    request.session.cycle_key()
    request.session[WAITING] = {"user": user.pk, "backend": user.backend, "since": time.time()}


def who_waits(request: HttpRequest) -> User | None:
    """Whoever gave their password in this session within the last ten minutes, if anybody."""
    kept = request.session.get(WAITING)
    if not kept or time.time() - kept["since"] > PATIENCE_SECONDS:
        return None
    return User.objects.filter(pk=kept["user"], is_active=True, is_staff=True).first()


def let_in(request: HttpRequest, user: User, device: Device) -> None:
    """Log in who has given both; that confirms who they are, too."""
    user.otp_device = device  # type: ignore[attr-defined]  # django-otp keeps it in the session
    login(request, user, request.session.pop(WAITING)["backend"])
    request.session[CONFIRMED_AT] = time.time()
