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


def test_a_cluster_that_does_not_answer_is_told_as_such(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KAFKA = {"bootstrap.servers": "127.0.0.1:1"}
    monkeypatch.setattr(topics, "TIMEOUT_SECONDS", 1)
    with pytest.raises(CommandError, match="Are KAFKA_BOOTSTRAP_SERVERS"):
        call_command("create_topics")
