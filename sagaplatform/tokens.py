"""Who a request comes from."""

from typing import Any

from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed


class TokenAuthentication(KnoxAuthentication):
    """Knox's tokens, found by their digest in one query.

    Knox's own finds them by their first characters and reads all tokens of the user each time.
    """

    def authenticate_credentials(self, token: bytes) -> tuple[Any, AuthToken]:
        digest = hash_token(token.decode("ascii", "replace"))
        found = AuthToken.objects.select_related("user").filter(
            digest=digest, expiry__gt=timezone.now()
        )
        if known := found.first():
            return self.validate_user(known)
        raise AuthenticationFailed("This token is unknown or has expired; log in again.")
