"""Parked messages in plain words: what one asks, how it stands, what people did."""

import re
from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.contracts.catalogue import Action
from apps.messaging.dead_letter_history import Deed
from apps.messaging.dead_letter_operations import DISCARD, EDIT, REPLAY, REPLAY_GROUP, REVEAL
from apps.messaging.dead_letter_rows import ParkedLetter
from apps.messaging.display import moment, words
from apps.messaging.models import ParkedStatus

# As MessagingError writes them: sentences, then facts in brackets.
ADVICE_AND_FACTS = re.compile(r"[^(]+[.] \((?P<facts>\w+=.+)\)", re.DOTALL)
DID = {
    REPLAY: "sent it again",
    REPLAY_GROUP: "sent it again, as one of a group",
    EDIT: "corrected it and sent it",
    DISCARD: "gave it up",
    REVEAL: "looked at the payload",
}
STANDS = {
    ParkedStatus.PARKED: "It waits for somebody to repair it.",
    ParkedStatus.WAITING: "It has not failed: it waits behind a parked message of its saga, and"
    " goes on by itself when that one is settled.",
    ParkedStatus.RELEASED: "It waited behind a parked message of its saga, and was sent again by"
    " itself when that one was settled. There is nothing to do.",
    ParkedStatus.REPLAYED: "It was sent again, and is settled. There is nothing to do.",
    ParkedStatus.SUPERSEDED: "Its step was compensated before it ran: it is to have no effect any"
    " more. There is nothing to do.",
    ParkedStatus.DISCARDED: "Somebody gave it up; who and why, the history says.",
}


def asked(context: str, letter: ParkedLetter) -> str:
    """What a message is and what it asks, in a sentence."""
    if not letter.type:
        return f"A message from {letter.topic} that {context} could not read."
    return f"{letter.type}: {_asked(context, letter)}"


def _asked(context: str, letter: ParkedLetter) -> str:
    if not letter.is_command(context):
        told = f"an event from {letter.topic}"
        if letter.blocks_saga:
            return f"{told}: on hearing it, {context} is to {words(letter.step)}."
        return f"{told}: {context} listens to it and keeps what it tells."
    step = f"“{words(letter.step)}”"
    if letter.action == Action.UNDO:
        return f"a command to {context}: undo the step {step}."
    if letter.action == Action.FENCE:
        return (
            f"a question to {context}: has the step {step} happened? If it has not, it is never to"
            " happen."
        )
    return f"a command to {context}: do the step {step}."


def stands(letter: ParkedLetter) -> str:
    """How it stands, and what that means."""
    return STANDS[ParkedStatus(letter.status)]


def tried(letter: ParkedLetter) -> str:
    """How often it failed, and was sent again by people."""
    if not letter.attempts:
        return "never; it waits"
    by_hand = f"; sent again by hand {times(letter.replays)}" if letter.replays else ""
    return f"{times(letter.attempts)}{by_hand}"


def gist(error_type: str, error: str) -> str:
    """An error in one line. What the platform's own errors advise is left out: it is always the
    same, and what is wrong this time stands behind it."""
    advised = ADVICE_AND_FACTS.fullmatch(error)
    told = advised.group("facts") if advised else error
    return f"{error_type}: {' '.join(told.split())}"


def did(deed: Deed) -> str:
    """What somebody did."""
    return DID.get(deed.operation, words(deed.operation))


def times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def age(at: datetime, now: datetime) -> str:
    """How long ago, roughly: 40 s, 12 min, 3 h, 5 days."""
    seconds = max(0, int((now - at).total_seconds()))
    for unit, size, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86_400} days"


def aged(at: datetime | None, now: datetime) -> SafeString | str:
    """A moment, and how long ago it was."""
    return format_html("{} <span>({} ago)</span>", moment(at), age(at, now)) if at else "-"


def ago(at: datetime, now: datetime) -> SafeString:
    """How long ago; the moment itself shows under the mouse."""
    shown = '<time class="whitespace-nowrap" datetime="{}" data-show="ago" title="{}">{} ago</time>'
    told = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html(shown, at.isoformat(), told, age(at, now))
