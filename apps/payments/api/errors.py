"""What the API refuses. `sagaplatform.problems` turns each into a problem document."""

from rest_framework.exceptions import APIException


class InvalidCard(APIException):
    """What is wrong with the body, never what stands in it: it may be a card's number."""

    status_code = 400
    title = "The request is invalid"
    default_code = "invalid_request"
    default_detail = (
        'Send {"card": "pm_…"}, the id that Stripe gives the shop\'s page for the card. '
        "Never send a card's number here."
    )


class PaymentNotFound(APIException):
    status_code = 404
    title = "There is no such payment"
    default_code = "payment_not_found"
    default_detail = (
        "You have no order with this id, or it has not come to its payment yet: look again later."
    )


class CardNotWanted(APIException):
    """Its code and detail say why."""

    status_code = 409
    title = "The payment does not wait for this card"

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.default_code = code
