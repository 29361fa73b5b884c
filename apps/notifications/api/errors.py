"""What notifications' API refuses. `sagaplatform.problems` turns each into a problem document."""

from collections.abc import Sequence

from rest_framework.exceptions import APIException


class InvalidContact(APIException):
    """With one entry for each field that is at fault."""

    status_code = 400
    title = "The contact is invalid"
    default_code = "invalid_contact"
    default_detail = "Correct what `errors` names, then send the request again."

    def __init__(self, errors: Sequence[dict[str, str]]) -> None:
        super().__init__()
        self.errors = list(errors)
