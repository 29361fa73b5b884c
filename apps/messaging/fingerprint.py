"""Fingerprints: messages that failed alike have the same one, whatever order they belong to."""

import re
from hashlib import sha256

LENGTH = 16  # hexadecimal digits: enough to tell the failures of one context apart

# What differs between two failures of one kind, in the order in which it is taken out.
DIFFERS = tuple(
    (re.compile(pattern), stands_for)
    for pattern, stands_for in (
        (r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "<id>"),
        (r"(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|«[^»]*»|“[^”]*”", "<value>"),
        (r"(?<![A-Za-z])(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}(?![A-Za-z])", "<id>"),
        (r"\d+(?:[.,:]\d+)*", "<n>"),
        (r"\s+", " "),
    )
)


def fingerprint_of(*, error_type: str, error: str, type: str, step: str) -> str:
    """The same for the same kind of error in the same kind of message of the same step."""
    facts = "\n".join((error_type, without_particulars(error), type, step))
    return sha256(facts.encode()).hexdigest()[:LENGTH]


def without_particulars(error: str) -> str:
    """An error without ids, numbers and quoted values."""
    for pattern, stands_for in DIFFERS:
        error = pattern.sub(stands_for, error)
    return error.strip()
