"""What a browser may load and do on our pages, told in the headers of each answer.

Everything comes from ourselves, nothing is inline, and nobody frames us. The admin's pages may
also `eval`, for Unfold's Alpine reads its expressions so; and no other page.
"""

from collections.abc import Callable

from csp.constants import NONE, SELF, UNSAFE_EVAL
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

DIRECTIVES: dict[str, list[str]] = {
    "default-src": [SELF],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "data:"],  # the code to scan, and marks in Unfold's style sheet
    "object-src": [NONE],
    "base-uri": [NONE],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
}
ON_ADMIN_PAGES = {"script-src": [UNSAFE_EVAL]}
NOT_PERMITTED = (
    "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid", "microphone",
    "midi", "payment", "serial", "usb",
)  # fmt: skip
PERMISSIONS = ", ".join(f"{feature}=()" for feature in NOT_PERMITTED)


class ContentPolicyMiddleware(CSPMiddleware):
    """Content-Security-Policy and Permissions-Policy on every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if settings.WITH_USERS and request.path_info.startswith(reverse("admin:index")):
            response._csp_update = ON_ADMIN_PAGES  # type: ignore[attr-defined]
        response["Permissions-Policy"] = PERMISSIONS
        answer: HttpResponseBase = super().process_response(request, response)
        return answer
