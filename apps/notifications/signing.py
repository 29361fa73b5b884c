"""Signatures under what is posted: `t=<seconds since 1970>,v1=<HMAC-SHA256 in hex>`.

What is signed is the time, a dot and the body as it travels, so that no copy can be used later.
"""

import hashlib
import hmac
import re

HEADER = "Webhook-Signature"
TOLERANCE_SECONDS = 300
SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


def sign(body: bytes, secret: str, now: float) -> str:
    """What goes into the header."""
    at = str(int(now))
    return f"t={at},v1={_mac(at, body, secret)}"


def is_signed(body: bytes, given: str, secret: str, now: float) -> bool:
    """Whether somebody who knows the secret has signed this, and lately."""
    found = SIGNATURE.fullmatch(given)
    if not found or abs(now - int(found[1])) > TOLERANCE_SECONDS:
        return False
    return hmac.compare_digest(_mac(found[1], body, secret), found[2])


def _mac(at: str, body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
