"""Who asks: anybody with a test key, in the one version of the API that there is."""

import base64
import binascii
import hashlib
from contextlib import suppress

from aiohttp import web

from .errors import refused, unauthorized
from .objects import CURRENT_VERSION

TEST_KEYS = ("sk_test_", "rk_test_")
LIVE_KEYS = ("sk_live_", "rk_live_")


def authenticate(request: web.Request) -> str:
    """Whose request it is: a digest of the secret key. Raises StripeError."""
    key = secret_key(request.headers.get("Authorization", ""))
    if not key:
        raise unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if key.startswith(LIVE_KEYS):
        raise unauthorized(
            "This is fakestripe, which moves no money: it refuses live keys. Use one that begins "
            "with sk_test_, and replace the live key, which has been where it does not belong."
        )
    if not key.startswith(TEST_KEYS) or key in TEST_KEYS:
        raise unauthorized("Invalid API Key provided: it should begin with sk_test_.")
    return hashlib.sha256(key.encode()).hexdigest()


def secret_key(authorization: str) -> str:
    """The key in a header: as a bearer's token, or as the name of a basic login."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        with suppress(binascii.Error, UnicodeDecodeError):
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    return ""


def require_version(request: web.Request) -> None:
    version = request.headers.get("Stripe-Version", CURRENT_VERSION)
    if version != CURRENT_VERSION:
        raise refused(f"fakestripe speaks version {CURRENT_VERSION} of the API, not {version}.")
