"""Faults planted on purpose, to see whether the kit finds them. For the processes of a test:
`python -m tests.reliability.crash.planted FAULT PROGRAM [ARGUMENT …]`."""

import sys
from collections.abc import Callable, Sequence

import django

from tests.reliability.crash.nursery import be


def offsets_first() -> None:
    """A consumer commits what it has read, and then carries it out."""
    from confluent_kafka import TopicPartition

    from apps.messaging.consumer import ContextConsumer
    from apps.messaging.kafka import topic_name
    from apps.messaging.record import Record

    carry_out = ContextConsumer._settle

    def commit_and_carry_out(self: ContextConsumer, records: Sequence[Record]) -> int:
        read = [TopicPartition(topic_name(e.topic), e.partition, e.offset + 1) for e in records]
        self.consumer.commit(offsets=read, asynchronous=False)
        return carry_out(self, records)

    ContextConsumer._settle = commit_and_carry_out  # type: ignore[method-assign]


def told_before_commit() -> None:
    """An answer is sent while its transaction is open."""
    from apps.messaging import batch
    from apps.messaging.database import Database
    from apps.messaging.envelope import Envelope
    from apps.messaging.outbox import letter_of
    from apps.messaging.relay import relay

    publish = batch.publish

    def publish_and_send(database: Database, envelopes: Sequence[Envelope]) -> None:
        publish(database, envelopes)
        office = relay(database.alias)
        office.dispatch([letter_of(each) for each in envelopes])
        office.producer.flush()

    batch.publish = publish_and_send  # type: ignore[attr-defined]


def called_before_claimed() -> None:
    """A worker calls in the transaction that claims the call."""
    from apps.messaging import calls
    from apps.messaging.database import Database

    work = calls.work

    def work_in_one_transaction(context: str) -> int:
        with Database(context).transaction():
            return work(context)

    calls.work = work_in_one_transaction


def undone_in_flight() -> None:
    """A compensation withdraws a call that may be under way."""
    from apps.messaging import barrier

    barrier.of_open_work = lambda row, request: barrier.Decision.WITHDRAW


def unfenced() -> None:
    """The engine takes over and turns back without asking the pivot first."""
    from msgspec.structs import replace

    from apps.processes.course import Course
    from apps.sagas import taking_over
    from apps.sagas.asking import turn_back
    from apps.sagas.state import Cause, Decision, SagaState

    def turn_back_at_once(
        course: Course, saga: SagaState, cause: Cause, *, by_hand: bool = False
    ) -> Decision:
        assert saga.pending
        last = course.legs[course.pivot].previous
        return turn_back(course, replace(saga, cause=cause), last, saga.pending)

    taking_over.fence = turn_back_at_once  # type: ignore[assignment]


def restocked_again() -> None:
    """What came back is put on the shelf each time that one is told to."""
    from apps.messaging import batch
    from apps.messaging.barrier import Decision, Row
    from apps.messaging.request import Request

    sound = batch.decide

    def decide(row: Row | None, request: Request) -> Decision:
        return Decision.RUN if request.step == "restock" else sound(row, request)

    batch.decide = decide


def refunded_anew() -> None:
    """Each attempt to give the price of returned goods back is a refund of its own for Stripe."""
    from apps.payments.gateways import GatewayAnswer
    from apps.payments.stripe_taking import Refunding

    def outcome(self: Refunding) -> GatewayAnswer:
        return self.ask(f"{self.call.key}-{self.call.attempt}", 1)

    Refunding.outcome = outcome  # type: ignore[method-assign]


PLANTED = (
    offsets_first, told_before_commit, called_before_claimed, undone_in_flight, unfenced,
    restocked_again, refunded_anew,
)  # fmt: skip
FAULTS: dict[str, Callable[[], None]] = {each.__name__: each for each in PLANTED}


def main(fault: str, words: list[str]) -> None:
    """Plant a fault, then be that program."""
    django.setup()
    FAULTS[fault]()
    be(words)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
