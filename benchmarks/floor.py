"""The floor of each mode: schema, specs of its processes, and the door where its sagas start.

It sends as many messages of the same size through the same number of processes and topics, and
writes as many rows of the same size, as was measured of the platform in that mode; it decides
nothing.
"""

import threading
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from uuid_utils.compat import uuid7

from apps.messaging.kafka import CONSUMER, PRODUCER
from apps.messaging.wiring import wiring
from benchmarks.cluster import ONLY_MESSAGES, floor_topic
from benchmarks.environment import Owners, run_time_url
from benchmarks.hop import Letter, Post, Spec
from benchmarks.rows import CREATE_TABLE, MOVING_ROWS, Sent, Writer
from benchmarks.shape import Shape
from sagaplatform.env import CONTEXTS
from sagaplatform.settings import RUNTIME_ROLES

DROP_SCHEMA = "DROP SCHEMA IF EXISTS {schema} CASCADE"
DOOR = "door"

# A schema of the floor's own, which the run-time role may use.
CREATE_SCHEMA = "CREATE SCHEMA {schema}"
OPEN_SCHEMA = """
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
"""


def spec_file(folder: Path, floor: str, name: str) -> Path:
    """Where the spec of a context's process (or of the door) lies."""
    return folder / f"{floor}-{name}.json"


def schema_of(floor: str) -> str:
    """The schema of a floor's tables, in each database."""
    return floor.replace("-", "_")


def drop_schemas(owners: Owners, floor: str) -> None:
    """Take a floor's tables away."""
    for context in CONTEXTS:
        owners[context].execute("SET client_min_messages = warning")
        owners[context].execute(DROP_SCHEMA.format(schema=schema_of(floor)))


def create_schemas(owners: Owners, floor: str, shape: Shape) -> None:
    """In each context's database a table for each that the platform writes, and an outbox."""
    drop_schemas(owners, floor)
    schema = schema_of(floor)
    for context in CONTEXTS:
        names = {"outbox", *(rows.table for rows in shape.rows_of(context))}
        owners[context].execute(CREATE_SCHEMA.format(schema=schema))
        for name in sorted(names):
            table = CREATE_TABLE.format(schema=schema, name=name, moving=MOVING_ROWS)
            owners[context].execute(table)
        owners[context].execute(OPEN_SCHEMA.format(schema=schema, role=RUNTIME_ROLES[context]))


def write_specs(folder: Path, floor: str, shape: Shape) -> None:
    """What each process of a floor, and its door, are told."""
    for context in CONTEXTS:
        effects = {
            type_name: [on_floor(floor, each.letter) for each in sent]
            for type_name, sent in shape.effects(context).items()
        }
        spec = _spec(floor, context, shape.per_hop(context), effects)
        spec_file(folder, floor, context).write_bytes(msgspec.json.encode(spec))
    start = {"": [on_floor(floor, shape.start.letter)]}
    door = _spec(floor, "orders", shape.placing, start)
    spec_file(folder, floor, DOOR).write_bytes(msgspec.json.encode(door))


def on_floor(floor: str, letter: Letter) -> Letter:
    """The same message on the floor's topic."""
    return msgspec.structs.replace(letter, topic=floor_topic(floor, letter.topic))


def _spec(floor: str, context: str, tables: list[Any], effects: dict[str, list[Letter]]) -> Spec:
    return Spec(
        url=run_time_url(context),
        schema=schema_of(floor),
        producer={**settings.KAFKA, **PRODUCER},
        consumer={
            **settings.KAFKA,
            **CONSUMER,
            **ONLY_MESSAGES,
            "group.id": floor_topic(floor, context),
        },
        topics=[floor_topic(floor, each) for each in wiring(context).topics],
        tables=tables,
        effects=effects,
    )


class FloorDoor:
    """Starts the floor's sagas: the rows of an order, then its first message."""

    def __init__(self, folder: Path, floor: str) -> None:
        spec = spec_file(folder, floor, DOOR)
        self.spec = msgspec.json.decode(spec.read_bytes(), type=Spec)
        self.post = Post(self.spec.producer)
        self._own = threading.local()
        [self._letter] = self.spec.effects[""]

    def place(self, ticket: str) -> None:
        sent = Sent(uuid7(), uuid7(), bytes(self._letter.size))
        self._writer.write([sent.saga_id], [sent], self.post.acknowledged())
        self.post.send(self._letter, sent, ticket)
        self.post.producer.poll(0)

    def leave(self) -> None:
        if hasattr(self._own, "writer"):
            self._own.writer.connection.close()

    def close(self) -> None:
        self.leave()
        self.post.producer.flush()

    @property
    def _writer(self) -> Writer:
        """A connection for each thread, as Django has."""
        if not hasattr(self._own, "writer"):
            self._own.writer = Writer(self.spec.url, self.spec.schema, self.spec.tables)
        return self._own.writer
