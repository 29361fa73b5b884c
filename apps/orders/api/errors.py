"""What the API refuses. `sagaplatform.problems` turns each into a problem document."""

from collections.abc import Sequence

from rest_framework.exceptions import APIException


class Problem(APIException):
    """A refusal with a title of its own and, where fields are at fault, one entry for each."""

    title: str

    def __init__(self, detail: str | None = None, errors: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(detail)
        self.errors = list(errors)


class InvalidRequest(Problem):
    status_code = 400
    title = "The request is invalid"
    default_code = "invalid_request"
    default_detail = "Correct what `errors` names, then send the request again."


class CardMissing(Problem):
    status_code = 422
    title = "The card is missing"
    default_code = "card_missing"
    default_detail = (
        "Send as `card` the id that Stripe gives the shop's page for it, pm_…. Never send a card's "
        "number here."
    )


class IdempotencyKeyMissing(Problem):
    status_code = 400
    title = "The Idempotency-Key is missing"
    default_code = "idempotency_key_missing"
    default_detail = (
        "Send a header Idempotency-Key with a new UUID for each wish (an order, a cancellation, a "
        "return), and the same one with every repetition of the request."
    )


class IdempotencyKeyTooLong(Problem):
    status_code = 400
    title = "The Idempotency-Key is too long"
    default_code = "idempotency_key_too_long"
    default_detail = "Send an Idempotency-Key of at most 255 characters, for example a UUID."


class IdempotencyKeyUsed(Problem):
    status_code = 422
    title = "The Idempotency-Key was used for another request"
    default_code = "idempotency_key_reused"
    default_detail = (
        "Repeat the request exactly as it was, or send the new one under a new Idempotency-Key."
    )


class OrdersTooFast(Problem):
    """`wait` seconds, which Retry-After says too."""

    status_code = 429
    title = "Too many orders in a minute"
    default_code = "orders_too_fast"
    default_detail = (
        "Nothing was placed. Wait for as many seconds as Retry-After says, then repeat the request "
        "with the same key."
    )

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = wait


class OrderNotFound(Problem):
    status_code = 404
    title = "There is no such order"
    default_code = "order_not_found"
    default_detail = "You have no order with this id; GET /api/v1/orders lists yours."


class OrderNotCancellable(Problem):
    """Its code and detail say why: those of `cancellation` in the order's representation."""

    status_code = 409
    title = "The order cannot be cancelled"

    def __init__(self, code: str, why_not: str) -> None:
        super().__init__(why_not)
        self.default_code = code


class OrderNotReturnable(Problem):
    """Its code and detail say why: those of `returns` in the order's representation."""

    status_code = 409
    title = "The goods cannot be returned"

    def __init__(self, code: str, why_not: str) -> None:
        super().__init__(why_not)
        self.default_code = code
