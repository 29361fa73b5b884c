"""Step-up: whoever moves money or reads what is masked has said who they are a moment ago.

The page that asks, `admin:confirm`, belongs to the site; a page that needs it only looks here:

    if not confirmed_lately(request):
        return redirect(confirm_address(request))
"""

import time
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

GOOD_FOR_SECONDS = 600
CONFIRMED_AT = "confirmed_at"  # in the session: a Unix time


def confirmed_lately(request: HttpRequest) -> bool:
    """Whether this session's person gave their code or password within the last ten minutes."""
    at = request.session.get(CONFIRMED_AT)
    return isinstance(at, int | float) and 0 <= time.time() - at < GOOD_FOR_SECONDS


def confirm_address(request: HttpRequest) -> str:
    """The page that asks for it and leads back here. What was typed into a form is lost: ask before
    the form is shown, and only in the rare case after."""
    return f"{reverse('admin:confirm')}?{urlencode({'next': request.get_full_path()})}"
