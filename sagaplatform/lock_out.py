"""Lock-out: who is wrong five times is not asked again for a quarter of an hour.

Counted by django-axes in the database `default`, so by all web processes together, per user name
and address; the API's logins count too, or a password of staff could be guessed there. Codes are
counted apart from passwords: a right password does not make wrong codes undone.
"""

import math
from datetime import datetime

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_client_ip_address
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from rest_framework.exceptions import Throttled

from apps.messaging.audit import Actor
from apps.messaging.display import moment
from sagaplatform.problems import CONTENT_TYPE, problem
from sagaplatform.staff_actions import write_down


def codes_of(username: str) -> str:
    """The name under which somebody's wrong codes are counted; no user can have it."""
    return f"{username} (code)"


def is_locked_out(request: HttpRequest, name: str) -> bool:
    """Whether that name is locked out here. Then our page is the answer, whatever the view says."""
    who = {"username": name}
    if AxesProxyHandler.is_allowed(request, who):
        return False
    request.axes_locked_out = True  # type: ignore[attr-defined]  # read by its middleware
    request.axes_credentials = who  # type: ignore[attr-defined]
    return True


def count_failure(request: HttpRequest, name: str) -> None:
    """One more. The last that is allowed locks out, and our page is the answer."""
    user_login_failed.send(sender=__name__, credentials={"username": name}, request=request)


def forget_failures(request: HttpRequest, name: str) -> None:
    """Start counting anew, for who was right."""
    AxesProxyHandler.reset_attempts(ip_address=get_client_ip_address(request), username=name)


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, str] | None
) -> HttpResponse:
    """The answer in place of the view's: until when, and what to do. 429 with Retry-After."""
    until = _until(request, (credentials or {}).get("username", ""))
    seconds = max(1, math.ceil((until - timezone.now()).total_seconds()))
    if request.path_info.startswith("/api/"):
        told = problem(Throttled(wait=seconds), request.path)
        answer: HttpResponse = JsonResponse(told, status=429, content_type=CONTENT_TYPE)
    else:
        context = {
            **admin.site.each_context(request),
            "title": "Locked for a while",
            "until": moment(until),
            "minutes": math.ceil(seconds / 60),
            "failures": settings.AXES_FAILURE_LIMIT,
        }
        answer = render(request, "admin/locked_out.html", context, status=429)
    answer["Retry-After"] = str(seconds)
    return answer


def unlock(*, username: str, actor: Actor, reason: str) -> int:
    """Let somebody try again at once, from any address; how many wrong tries are forgotten."""
    with transaction.atomic():
        found = AccessAttempt.objects.filter(username__in=[username, codes_of(username)])
        failures = sum(found.values_list("failures_since_start", flat=True))
        if failures:
            found.delete()
            write_down(
                actor=actor, operation="unlock", subject_kind="user", subject=username,
                before={"failures": failures}, after={"failures": 0}, reason=reason,
            )  # fmt: skip
    return failures


def _until(request: HttpRequest, username: str) -> datetime:
    """The end of the lock: so long after the last failure that counted."""
    last = (
        AccessAttempt.objects.filter(username=username, ip_address=get_client_ip_address(request))
        .order_by("-attempt_time")
        .values_list("attempt_time", flat=True)
        .first()
    )
    end: datetime = (last or timezone.now()) + settings.AXES_COOLOFF_TIME
    return end
