"""How many brokers the local Kafka has: as BROKERS says at its first start, the same ever after.

Data belongs to the number of brokers that wrote it: the copies of each partition, and who votes.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from sagaplatform.stack.errors import BadBrokers, BrokersElsewhere, OtherBrokers
from sagaplatform.stack.files import read_json, write_private
from sagaplatform.stack.layout import Layout

BROKERS = "BROKERS"
CHOICES = (1, 3)  # two could lose none, and more than three show nothing that three do not


@dataclass(frozen=True)
class Cluster:
    """What all nodes share, chosen before the first is formatted."""

    id: str
    brokers: int

    @classmethod
    def load(cls, layout: Layout, brokers: int) -> Self:
        """The cluster of this home; a new one of so many brokers if there is none of them."""
        kept = read_json(_file(layout))
        if kept.get("brokers") == brokers:
            return cls(**kept)
        made = cls(cluster_id(uuid.uuid4()), brokers)
        write_private(_file(layout), json.dumps(asdict(made)))
        return made


def names(brokers: int) -> tuple[str, ...]:
    """The nodes, as processes and folders are called."""
    return ("kafka", *(f"kafka-{number}" for number in range(2, brokers + 1)))


def how_many(layout: Layout, environ: Mapping[str, str], elsewhere: str) -> int:
    """As many as asked for, else as wrote the data, else one; none where Kafka is elsewhere.

    Raises BadBrokers, BrokersElsewhere, OtherBrokers.
    """
    asked = _asked(environ)
    if elsewhere:
        if asked:
            raise BrokersElsewhere(asked=asked, address=elsewhere)
        return 0
    found = _found(layout)
    if asked and found and asked != found:
        raise OtherBrokers(found=found, asked=asked, home=layout.home)
    return asked or found or 1


def is_formatted(folder: Path) -> bool:
    """Whether a node's storage is there."""
    return (folder / "data" / "meta.properties").exists()


def cluster_id(chance: uuid.UUID) -> str:
    """A new cluster's id. None begins with a dash, which the tool takes for an option."""
    return base64.urlsafe_b64encode(b"\0" + chance.bytes[1:]).decode().rstrip("=")


def _asked(environ: Mapping[str, str]) -> int:
    value = environ.get(BROKERS) or "0"
    if value not in map(str, (0, *CHOICES)):
        raise BadBrokers(value=value)
    return int(value)


def _found(layout: Layout) -> int:
    """How many wrote the data; 0 where there is none."""
    if not any(is_formatted(layout.home / each) for each in names(max(CHOICES))):
        return 0
    return int(read_json(_file(layout)).get("brokers", 1))  # a single one used to leave no note


def _file(layout: Layout) -> Path:
    return layout.home / "kafka.json"
