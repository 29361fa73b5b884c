"""The copy of a parked message that goes to `<topic>_dlq`, for whoever reads that elsewhere.

It is cut where it would be larger than a message may be: the row of the parked message, and the
place in Kafka that the copy names, have all of it.
"""

from collections.abc import Mapping
from itertools import islice

from uuid_utils.compat import uuid7

from apps.messaging.record import Record
from apps.messaging.relay import Letter

DEAD_LETTER_SUFFIX = "_dlq"
LARGEST_COPY = 1_000_000  # bytes, which leaves room for what Kafka itself writes beside them
MOST_HEADERS = 50
LONGEST_TEXT = 1000  # characters of a header
OF_A_HEADER = 10  # bytes that Kafka needs beside its name and text


def copy_of(record: Record, *, error_type: str, error: str, attempts: int) -> Letter:
    """The message as it was read, with headers that say why it is parked and where it was."""
    headers = shortened(texts_of(record)) | {
        "error_type": error_type,
        "error": error,
        "attempts": str(attempts),
        "read_from": record.place,
    }
    payload = record.payload[: LARGEST_COPY - size_of(headers)]
    if left_out := len(record.payload) - len(payload):
        headers["cut"] = f"{left_out} bytes of the payload are left out, see read_from"
    return Letter(
        uuid7(), record.topic + DEAD_LETTER_SUFFIX, record.saga_id or uuid7(), headers, payload
    )


def texts_of(record: Record) -> dict[str, str]:
    """The headers as texts; bytes that are no text are escaped."""
    return {
        name: (value or b"").decode("utf-8", "backslashreplace")
        for name, value in record.headers.items()
    }


def shortened(headers: Mapping[str, str]) -> dict[str, str]:
    """So many headers at most, each so long at most."""
    kept = islice(headers.items(), MOST_HEADERS)
    return {name[:LONGEST_TEXT]: text[:LONGEST_TEXT] for name, text in kept}


def size_of(headers: Mapping[str, str]) -> int:
    """Bytes that headers take in Kafka."""
    return sum(
        len(name.encode()) + len(text.encode()) + OF_A_HEADER for name, text in headers.items()
    )
