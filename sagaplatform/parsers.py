"""How the API reads JSON."""

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser


class LengthRequired(APIException):
    """Django reads a body in chunks as an empty one."""

    status_code = 411
    default_code = "length_required"
    default_detail = "Send the body in one piece, with a Content-Length."


class JSONParser(BaseParser):
    """Reads JSON strictly, and no more of it than DATA_UPLOAD_MAX_MEMORY_SIZE.

    REST framework's own reads a body of any size, and fails on deep nesting and half a surrogate.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The values of the body. Raises ParseError, LengthRequired, or RequestDataTooBig."""
        assert parser_context is not None, "REST framework gives it"
        request = parser_context["request"]
        if "HTTP_TRANSFER_ENCODING" in request.META:
            raise LengthRequired
        try:
            return msgspec.json.decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ParseError(f"The body is no JSON: {error}.") from error
