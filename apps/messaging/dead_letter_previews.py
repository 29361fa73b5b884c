"""What an operation on a parked message would do, in plain facts: read before it is done."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from apps.contracts.catalogue import Action
from apps.messaging.dead_letter_rows import Behind, ParkedLetter
from apps.messaging.wiring import wiring

MANY_REPLAYS = 10  # after which another is hardly what helps


@dataclass(frozen=True, slots=True)
class Preview:
    """One parked message, and what would become of it."""

    operation: str
    context: str
    letter_id: UUID
    version: int  # to be named when it is done: refused if the letter has changed since
    saga_id: UUID | None
    step: str
    action: str
    generation: int
    type: str
    error: str
    replays: int
    sent_to: str  # the topic; empty where nothing is sent
    edited_by: str  # whose correction is sent; empty: the message as it was read
    changes: tuple[str, ...]  # what a correction changes: names and paths
    behind: tuple[Behind, ...]  # what waits behind it
    consequences: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return _plain({**asdict(self), "behind": [dict(each._asdict()) for each in self.behind]})


@dataclass(frozen=True, slots=True)
class GroupPreview:
    """Parked messages that failed alike, and what would become of the first of them."""

    operation: str
    context: str
    fingerprint: str
    parked: int  # of that fingerprint, in all
    letters: tuple[Preview, ...]  # the ones that would be sent

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of all of them, each once."""
        return tuple(dict.fromkeys(each for one in self.letters for each in one.warnings))

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "operation": self.operation,
            "context": self.context,
            "fingerprint": self.fingerprint,
            "parked": self.parked,
            "letters": [each.as_json() for each in self.letters],
            "warnings": list(self.warnings),
        }


def preview_of(
    operation: str,
    context: str,
    letter: ParkedLetter,
    *,
    behind: Sequence[Behind],
    others_parked: Sequence[UUID],
    changes: Sequence[str] = (),
    edited_by: str = "",
) -> Preview:
    """The preview of a replay, of one after a correction (with its changes), or of a discard."""
    discards = operation == "discard"
    tell = _discarded if discards else _sent_again
    return Preview(
        operation=operation,
        context=context,
        letter_id=letter.id,
        version=letter.version,
        saga_id=letter.saga_id,
        step=letter.step,
        action=letter.action,
        generation=letter.generation,
        type=letter.type,
        error=f"{letter.error_type}: {letter.error}",
        replays=letter.replays,
        sent_to="" if discards else letter.topic,
        edited_by="" if discards else edited_by or letter.edited_by,
        changes=tuple(changes),
        behind=tuple(behind),
        consequences=tuple(tell(context, letter, len(behind), len(others_parked))),
        warnings=()
        if discards
        else tuple(_warnings(context, letter, others_parked, corrected=bool(changes))),
    )


# --- consequences


def _sent_again(
    context: str, letter: ParkedLetter, behind: int, others_parked: int
) -> Iterator[str]:
    if letter.is_request:
        yield (
            f"It is sent to {letter.topic} again, and stays parked until {context} has carried it"
            " out. If that fails, it stays where it is."
        )
    else:
        yield (
            f"It is sent to {letter.topic} again, and this copy is settled. If {context} cannot"
            " handle it, it is parked anew."
        )
    if behind:
        besides = f" and behind {_others(others_parked)}" if others_parked else ""
        yield f"{_go_on(behind)} waiting behind it{besides}."


def _discarded(
    context: str, letter: ParkedLetter, behind: int, others_parked: int
) -> Iterator[str]:
    yield _what_is_given_up(context, letter)
    if behind and others_parked:
        yield f"{_go_on(behind)} waiting behind {_others(others_parked)}."
    elif behind:
        yield f"{_go_on(behind)} at once."


def _what_is_given_up(context: str, letter: ParkedLetter) -> str:
    if letter.closes_step:
        done = "fenced" if letter.action == Action.FENCE else "undone"
        return (
            f"{letter.step} is not {done} by this message. Its saga cannot end until it is: the"
            " engine's watchdog sends the request again, or the saga stands on the desk."
        )
    if letter.blocks_saga and letter.is_command(context):
        return (
            f"{letter.step} is not done by this message. If its saga still waits for it, the"
            " engine's watchdog sends it again when its time is up, or turns the saga back."
        )
    if letter.blocks_saga:
        return f"{letter.step} is not done for this saga: nobody sends the event again by himself."
    if letter.saga_id:
        return f"{context} does not hear of it: what it keeps of this saga may stay behind."
    return "Nobody can tell what it asked: it could not be read."


def _go_on(count: int) -> str:
    return "1 message of its saga goes on" if count == 1 else f"{count} messages of its saga go on"


def _others(count: int) -> str:
    return "another parked action" if count == 1 else f"{count} other parked actions"


# --- warnings


def _warnings(
    context: str, letter: ParkedLetter, others_parked: Sequence[UUID], *, corrected: bool
) -> Iterator[str]:
    if any(other < letter.id for other in others_parked):  # UUIDv7: sorts by time
        yield (
            "An older action of its saga is parked: repair that one first, this one waits behind"
            " it."
        )
    if letter.replays > MANY_REPLAYS:
        yield (
            f"It was replayed {letter.replays} times already: another replay will hardly help."
            " Find what is wrong first."
        )
    if not corrected and letter.error_type == "UnreadableMessage":
        yield "It could not be read: it cannot be read the next time either, unless corrected."
    if not corrected and letter.type and not _is_known(context, letter):
        yield "No code here handles it: deploy the code that does before you replay."
    if (corrected or letter.edited_payload is not None) and not letter.is_command(context):
        yield f"Whoever else reads {letter.topic} hears the corrected message too."


def _is_known(context: str, letter: ParkedLetter) -> bool:
    version = letter.sent_headers.get("version", "")
    key = (letter.sent_headers.get("type", ""), int(version) if version.isdecimal() else 0)
    return wiring(context).knows(key)


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Ids as texts, tuples as lists."""
    return {name: _plain_value(value) for name, value in facts.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dict):
        return _plain(value)
    return [_plain_value(each) for each in value] if isinstance(value, list | tuple) else value
