"""The command that makes the topics, and settings that cannot be meant."""

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.messaging import topics


@pytest.mark.parametrize("partitions", [0, -1, 1001, 2**31])
def test_a_number_of_partitions_that_cannot_be_meant_makes_nothing(
    settings: Settings, partitions: int
) -> None:
    settings.KAFKA_PARTITIONS = partitions
    with pytest.raises(CommandError, match=f"KAFKA_PARTITIONS is {partitions}: give a number from"):
        call_command("create_topics")


@pytest.mark.parametrize(("copies", "in_sync"), [(1, 2), (3, 0), (0, 1)])
def test_topics_to_which_nothing_could_be_written_are_not_made(
    settings: Settings, copies: int, in_sync: int
) -> None:
    settings.KAFKA_REPLICATION, settings.KAFKA_MIN_INSYNC = copies, in_sync
    with pytest.raises(CommandError, match=f"KAFKA_MIN_INSYNC is {in_sync} and .* is {copies}:"):
        call_command("create_topics")


def test_a_cluster_that_does_not_answer_is_told_as_such(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KAFKA = {"bootstrap.servers": "127.0.0.1:1"}
    monkeypatch.setattr(topics, "TIMEOUT_SECONDS", 1)
    with pytest.raises(CommandError, match="Are KAFKA_BOOTSTRAP_SERVERS"):
        call_command("create_topics")
