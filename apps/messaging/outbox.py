"""The outbox: messages are written in the transaction of what they tell of, and sent after it."""

from collections.abc import Sequence
from functools import partial

import msgspec
from django.db import transaction

from apps.messaging.database import Database, columns
from apps.messaging.envelope import Envelope
from apps.messaging.errors import OutsideTransaction
from apps.messaging.relay import Letter, relay
from apps.messaging.tracing import tracer

# Write new messages, and in passing take out those that the broker has acknowledged.
WRITE = """
WITH acknowledged AS (DELETE FROM {context}_outboxmessage WHERE id = ANY(%b::uuid[]))
INSERT INTO {context}_outboxmessage (id, topic, saga_id, headers, payload, created_at)
SELECT id, topic, saga_id, headers, payload, clock_timestamp()
FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::text[], %b::bytea[])
  AS written (id, topic, saga_id, headers, payload)
"""


def publish(database: Database, envelopes: Sequence[Envelope]) -> None:
    """Write messages into the outbox of the transaction that is open on this database.

    They are sent right after its commit, and go with its rollback. Raises OutsideTransaction where
    none is open on this very connection.
    """
    stored, sent = tracer().publish(envelopes)
    post(database, [letter_of(each) for each in stored])
    if sent:
        transaction.on_commit(sent, using=database.alias)


def post(database: Database, letters: Sequence[Letter]) -> None:
    """Like `publish`, for messages that need not be well-formed: copies for a dead-letter topic."""
    if not database.in_transaction():
        raise OutsideTransaction(database=database.alias)
    if not letters:
        return
    office = relay(database.alias)
    rows = [(e.id, e.topic, e.saga_id, encode_headers(e.headers), e.payload) for e in letters]
    with office.acknowledged() as acknowledged:
        database.send(WRITE, (acknowledged, *columns(rows, 5)))
    transaction.on_commit(partial(office.dispatch, letters), using=database.alias)


def letter_of(envelope: Envelope) -> Letter:
    """The envelope as the relay sends it."""
    return Letter(
        envelope.message_id,
        envelope.topic,
        envelope.request.saga_id,
        envelope.headers(),
        envelope.payload,
    )


def encode_headers(headers: dict[str, str]) -> str:
    """Headers as one JSON object."""
    return msgspec.json.encode(headers).decode()
