"""The inputs of a saga: one JSON object of what the steps ahead need, and nothing else."""

import msgspec

from apps.contracts.base import Event
from apps.processes.course import Leg

read_document = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def inputs_behind(leg: Leg, inputs: str, event: Event | None) -> str:
    """The inputs for what follows a step: with what its success gives, without what nobody needs
    then. None stands for a step that was skipped."""
    if not leg.changes_inputs:
        return inputs
    known = read_document(inputs)
    kept = {name: value for name, value in known.items() if name in leg.needed}
    given = {name: getattr(event, name) for name in leg.gives}
    return msgspec.json.encode(kept | given).decode()


def inputs_of_start(leg: Leg, payload: bytes) -> str:
    """The inputs behind the first step, from its event as JSON. Raises msgspec.DecodeError."""
    given = read_document(payload)
    kept = {name: value for name, value in given.items() if name in leg.needed}
    return msgspec.json.encode(kept).decode()
