"""Signatures under what is posted from server to server: `t=<seconds since 1970>,v1=<hex>`.

Signed with HMAC-SHA256 is the time, a dot and the body as it travels, so that no copy can be used
later (as Stripe does: https://docs.stripe.com/webhooks#verify-manually).
"""

import hashlib
import hmac
import re

HEADER = "Webhook-Signature"  # of what we post; who posts to us may have another
TOLERANCE_SECONDS = 300
TIME = re.compile(r"[0-9]{1,12}")


def sign(body: bytes, secret: str, now: float) -> str:
    """What goes into the header."""
    at = str(int(now))
    return f"t={at},v1={_mac(at, body, secret)}"


def is_signed(body: bytes, given: str, secret: str, now: float) -> bool:
    """Whether somebody who knows the secret has signed this, and lately. Of several v1 one must be
    right, so that who signs can change the secret."""
    parts = [part.strip().partition("=") for part in given.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not TIME.fullmatch(times[0]):
        return False
    if abs(now - int(times[0])) > TOLERANCE_SECONDS:
        return False
    right = _mac(times[0], body, secret).encode()
    found = [value for name, _, value in parts if name == "v1"]
    return any(hmac.compare_digest(right, each.encode()) for each in found)


def _mac(at: str, body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
