"""What Stripe answers when it refuses: a status and an `error` object."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass
class Answer:
    """A status and a body, as they go over the wire."""

    status: int
    body: Json


class StripeError(Exception):
    """The request is answered with an error.

    `early` says that the request was refused before it was carried out: Stripe keeps no such answer
    under an idempotency key, so the same key may come again with what was wrong put right.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        early: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.early = early
        facts = {"type": type, "code": code, "param": param, "message": message, **more}
        self.error = {name: value for name, value in facts.items() if value is not None}

    def answer(self, request_log_url: str) -> Answer:
        """The answer; `doc_url` and `request_log_url` are there where Stripe has them."""
        error = dict(self.error)
        if code := error.get("code"):
            error["doc_url"] = doc_url(code)
        return Answer(self.status, {"error": {**error, "request_log_url": request_log_url}})


def doc_url(code: str) -> str:
    return f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def refused(message: str, code: str | None = None, param: str | None = None) -> StripeError:
    """A parameter that is wrong, found before anything was done."""
    return StripeError(message, code=code, param=param, early=True)


def unauthorized(message: str) -> StripeError:
    return StripeError(message, status=401, early=True)


def no_such(kind: str, identifier: str, param: str, status: int = 404) -> StripeError:
    """What an id names is not there."""
    names = {"payment_intent": "payment_intent", "payment_method": "PaymentMethod"}
    return StripeError(
        f"No such {names.get(kind, kind)}: '{identifier}'",
        status=status,
        code="resource_missing",
        param=param,
    )


def server_error() -> StripeError:
    return StripeError("An unknown error occurred", status=500, type="api_error", early=True)


def too_many_requests() -> StripeError:
    return StripeError(
        "Request rate limit exceeded. Learn more about rate limits here "
        "https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
        early=True,
    )


def key_in_use(key: str) -> StripeError:
    return StripeError(
        "There is currently another in-progress request using this Idempotent Key (that probably "
        "means you submitted twice, and the other request is still going through): "
        f"{key}. Please try again later.",
        status=409,
        type="idempotency_error",
        code="idempotency_key_in_use",
        early=True,
    )


def conflict(key: str | None) -> StripeError:
    """Somebody else is at it: at the key if there is one, else at the object."""
    if key is not None:
        return key_in_use(key)
    return StripeError(
        "This object cannot be accessed right now because another API request or Stripe process is "
        "currently accessing it. If you see this error intermittently, retry the request.",
        status=409,
        code="lock_timeout",
        early=True,
    )


def key_reused(key: str) -> StripeError:
    return StripeError(
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a "
        "different request.",
        type="idempotency_error",
        early=True,
    )
