"""What the API refuses. `sagaplatform.problems` turns each into a problem document."""

from rest_framework.exceptions import APIException


class ReceiptInvalid(APIException):
    status_code = 400
    title = "The receipt is invalid"
    default_code = "invalid_request"
    default_detail = "Correct the body, then send it again."


class ReturnNotExpected(APIException):
    status_code = 404
    title = "There is no such return"
    default_code = "return_not_found"
    default_detail = "Nothing is expected under this id: look at the label, or again in a moment."


class ReceiptRefused(APIException):
    status_code = 409
    title = "The receipt cannot be taken"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.default_code = code


class ReceiptUnfit(APIException):
    status_code = 422
    title = "The receipt does not fit the return"
    default_code = "not_what_was_announced"
