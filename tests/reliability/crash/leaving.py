"""Telling Kafka at once what it finds out by itself when a session timeout has passed.

A killed consumer says no goodbye: its partitions lie idle until its session ends (6 s here). Its
goodbye is said for it: a ConsumerGroupHeartbeat with the epoch -1 (KIP-848), which no client lets
one send for others.
"""

import socket
import struct
import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings

from apps.messaging.kafka import group_name
from tests.kafka import MOVING

HEARTBEAT, VERSION, LEAVE = 68, 0, -1
TIMEOUT_SECONDS = 60
COORDINATOR_SECONDS = 60
NULL, NONE_TAGGED = b"\0", b"\0"


def leave_for(client: AdminClient, context: str) -> None:
    """Take all members out of a context's group, when its coordinator is there. Raises
    AssertionError where Kafka refuses."""
    end = time.monotonic() + COORDINATOR_SECONDS
    while not have_left(client, context):
        assert time.monotonic() < end, f"The group of {context} has no coordinator"
        time.sleep(0.1)


def have_left(client: AdminClient, context: str) -> bool:
    """Take them out; False where the coordinator could not yet, as after the broker's start."""
    try:
        found = members(client, context)
    except KafkaException as error:
        if error.args[0].code() not in MOVING:
            raise
        return False
    answers = {ask(goodbye(group_name(context), member)) for member in found}
    refused = answers - {0, KafkaError.UNKNOWN_MEMBER_ID, *MOVING}
    assert not refused, f"Kafka answers errors {refused}"
    return answers.isdisjoint(MOVING)


def members(client: AdminClient, context: str) -> list[str]:
    """The ids of a group's members; none where there is no such group yet."""
    [future] = client.describe_consumer_groups(
        [group_name(context)], request_timeout=TIMEOUT_SECONDS
    ).values()
    try:
        return [each.member_id for each in future.result(TIMEOUT_SECONDS).members]
    except KafkaException as error:
        if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise
        return []


def goodbye(group: str, member: str) -> bytes:
    """The request: group, member, epoch, and six fields of which nothing changes."""
    header = struct.pack(">hhi", HEARTBEAT, VERSION, 1) + struct.pack(">h", 0) + NONE_TAGGED
    rest = NULL + NULL + struct.pack(">i", -1) + NULL + NULL + NULL + NONE_TAGGED
    return header + compact(group) + compact(member) + struct.pack(">i", LEAVE) + rest


def compact(text: str) -> bytes:
    """A string shorter than 127 bytes, as Kafka writes it."""
    assert len(text) < 127
    return bytes([len(text) + 1]) + text.encode()


def ask(frame: bytes) -> int:
    """Send a request to the broker; the error code of its answer."""
    host, _, port = settings.KAFKA["bootstrap.servers"].partition(",")[0].rpartition(":")
    with socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as broker:
        broker.sendall(struct.pack(">i", len(frame)) + frame)
        (size,) = struct.unpack(">i", broker.recv(4, socket.MSG_WAITALL))
        answer = broker.recv(size, socket.MSG_WAITALL)
    (error,) = struct.unpack_from(">h", answer, 9)  # behind correlation, tags and throttle time
    return int(error)
