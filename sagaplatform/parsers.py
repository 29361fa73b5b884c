"""How the API reads JSON."""

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


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
        """The values of the body. Raises ParseError, or RequestDataTooBig."""
        assert parser_context is not None, "REST framework gives it"
        try:
            return msgspec.json.decode(parser_context["request"].body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ParseError(f"The body is no JSON: {error}.") from error
