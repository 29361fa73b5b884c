"""An alert in words: what a person should look at now."""

from dataclasses import dataclass
from typing import Any

import msgspec

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.sagas import CaseOpened, CompensationFree, CompensationHeld
from apps.messaging.request import Request


@dataclass(frozen=True, slots=True)
class Alert:
    """News for a person, without personal data."""

    subject: str
    text: str
    facts: dict[str, Any]


def alert_of(event: Event, about: Request) -> Alert:
    """An event in words, and the request of the saga that it is about."""
    name, saga_id = type(event).__name__, str(about.saga_id)
    told = msgspec.json.decode(msgspec.json.encode(event))  # also what is JSON inside it
    facts = {"type": name, "saga_id": saga_id, **told}
    match event:
        case CaseOpened():
            facts["action"] = str(about.action)
            what = event.step if about.action is Action.DO else f"{about.action} {event.step}"
            subject = f"{event.kind.replace('_', ' ').capitalize()}: {what}"
            text = f"{event.reason}\n\nLook:  manage.py sagas show {saga_id}\n"
        case CompensationHeld():
            subject = "Automatic compensation is held back"
            text = (
                f"{event.late} of {event.live} live sagas are late at once. Requests are sent "
                "again, none is turned back by time. Look at consumer lag and at the services.\n"
            )
        case CompensationFree():
            subject = "Automatic compensation goes on"
            text = f"{event.late} of {event.live} live sagas are late.\n"
        case _:
            subject, text = name, f"{facts}\n"
    return Alert(f"[sagaplatform] {subject}", text, facts)
