"""A dead consumer's goodbye waits for the coordinator of its group."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from apps.messaging.kafka import group_name
from tests.reliability.crash import leaving


class Coordinator:
    """Answers descriptions of one group with what it was given, in turn."""

    def __init__(self, *answers: KafkaException | list[str]) -> None:
        self.answers = list(answers)

    def describe_consumer_groups(self, groups: list[str], **_: Any) -> dict[str, Future[Any]]:
        future: Future[Any] = Future()
        answer = self.answers.pop(0)
        if isinstance(answer, KafkaException):
            future.set_exception(answer)
        else:
            members = [SimpleNamespace(member_id=each) for each in answer]
            future.set_result(SimpleNamespace(members=members))
        return dict.fromkeys(groups, future)


def refused(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


def leave(monkeypatch: pytest.MonkeyPatch, coordinator: Coordinator, *errors: int) -> list[bytes]:
    """The goodbyes that were said; Kafka answers them with these errors."""
    said: list[bytes] = []
    to_give = iter(errors)

    def ask(frame: bytes) -> int:
        said.append(frame)
        return next(to_give)

    monkeypatch.setattr(leaving, "ask", ask)
    leaving.leave_for(cast("AdminClient", coordinator), "orders")
    return said


def test_a_goodbye_waits_until_the_coordinator_has_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    goodbye = leaving.goodbye(group_name("orders"), "m")
    loading = refused(KafkaError.COORDINATOR_LOAD_IN_PROGRESS)

    assert leave(monkeypatch, Coordinator(loading, ["m"]), 0) == [goodbye]
    twice = Coordinator(["m"], ["m"])
    assert leave(monkeypatch, twice, KafkaError.NOT_COORDINATOR, 0) == [goodbye] * 2


def test_who_is_gone_needs_no_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    none = refused(KafkaError.GROUP_ID_NOT_FOUND)

    assert leave(monkeypatch, Coordinator(none)) == []
    assert len(leave(monkeypatch, Coordinator(["m"]), KafkaError.UNKNOWN_MEMBER_ID)) == 1


def test_another_refusal_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaException):
        leave(monkeypatch, Coordinator(refused(KafkaError.GROUP_AUTHORIZATION_FAILED)))
    with pytest.raises(AssertionError, match="30"):
        leave(monkeypatch, Coordinator(["m"]), KafkaError.GROUP_AUTHORIZATION_FAILED)
