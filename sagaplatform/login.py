"""How one gets a token for the API, and gives it back."""

import hashlib
from typing import Any

from django.contrib.auth import authenticate
from django.utils import timezone
from knox import views as knox
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, Serializer
from rest_framework.throttling import SimpleRateThrottle

from sagaplatform.tokens import TokenAuthentication


class LoginThrottle(SimpleRateThrottle):
    """So many attempts per address and user name.

    The cache `default` counts them. While it is one process's memory, each worker process counts
    for itself: a deployment with several needs a cache that they share.
    """

    scope = "login"

    def get_cache_key(self, request: Request, view: Any) -> str:
        username = request.data.get("username") if isinstance(request.data, dict) else None
        ident = f"{self.get_ident(request)} {str(username).casefold()}"
        return f"login:{hashlib.sha256(ident.encode()).hexdigest()}"


class Credentials(Serializer[Any]):
    """The body of a login."""

    username = CharField(max_length=150)
    password = CharField(max_length=128, trim_whitespace=False)


class LoginView(knox.LoginView):
    """`POST {username, password}`: a token, and until when it is good.

    Wrong passwords lock out, as they do in the admin: see lock_out.py. A right one counts against
    the throttle only.
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (LoginThrottle,)

    def post(self, request: Request, format: str | None = None) -> Response:
        credentials = Credentials(data=request.data)
        credentials.is_valid(raise_exception=True)
        # Django's own request, whose answer the middleware replaces when somebody is locked out.
        user = authenticate(request._request, **credentials.validated_data)
        if user is None:
            raise AuthenticationFailed("User name or password is wrong.")
        AuthToken.objects.filter(user=user, expiry__lte=timezone.now()).delete()
        request.user = user
        return super().post(request, format)

    def get_authenticate_header(self, request: Request) -> str:
        return "Token"


class LogoutView(knox.LogoutView):
    """`POST`: the token that it comes with is worth nothing any more."""

    authentication_classes = (TokenAuthentication,)
