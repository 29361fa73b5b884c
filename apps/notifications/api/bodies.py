"""What a customer sends, and what is wrong with it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.notifications.api.errors import InvalidContact
from apps.notifications.outward import NotLookedUp, NotOutward, place_of

FIELDS = ("email", "push_url")
LONGEST_EMAIL = 254


class ContactBody(NamedTuple):
    """The body of `PUT /api/v1/contact`: the whole of it; null or left out is no address."""

    email: str
    push_url: str


def read_contact(data: Any) -> ContactBody:
    """Where a customer wishes to be told. Raises InvalidContact naming everything that is wrong."""
    if faults := list(_faults(data)):
        errors = [{"pointer": pointer, "detail": detail} for pointer, detail in faults]
        raise InvalidContact(errors)
    return ContactBody(data.get("email") or "", data.get("push_url") or "")


def _faults(data: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(data, dict):
        yield "#", "Must be an object."
        return
    for name in sorted(data.keys() - set(FIELDS)):
        pointer = name.replace("~", "~0").replace("/", "~1")
        yield f"#/{pointer}", f"Unknown field; known are {', '.join(FIELDS)}."
    for name, fault in (("email", _of_email), ("push_url", _of_push_url)):
        value = data.get(name)
        if value is not None and (found := fault(value)):
            yield f"#/{name}", found


def _of_email(value: Any) -> str:
    wanted = f"Must be an e-mail address of at most {LONGEST_EMAIL} characters, or null."
    try:
        validate_email(value if isinstance(value, str) else "")
    except ValidationError:
        return wanted
    return wanted if len(value) > LONGEST_EMAIL else ""


def _of_push_url(value: Any) -> str:
    if not isinstance(value, str):
        return "Must be a URL, or null."
    if not settings.NOTIFY_WEBHOOK_SECRET:
        return "Must be null: this shop tells nobody by push."
    try:
        place_of(value, on_this_machine=settings.DEBUG)
    except (NotOutward, NotLookedUp) as refused:
        return str(refused)
    return ""
