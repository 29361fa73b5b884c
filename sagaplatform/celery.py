"""The Celery app: it wakes workers for outside calls, and its beat sweeps what nobody woke.

The jobs are rows of the contexts' databases; a message is a hint that some are due, and says of
which context. So messages may be lost, late or double: nothing but seconds depends on them. That is
what makes Kafka good enough as their broker, whose transport in kombu commits its position and not
a task's offset. docs/decisions/0028-celery-wakes.md says what was measured.
"""

import logging
from typing import Any

from celery import Celery, signals
from confluent_kafka import KafkaError, KafkaException, Message
from django.conf import settings
from kombu import Queue

from apps.messaging.context import contexts, contexts_with_intents
from apps.messaging.database import drop_broken_connections
from apps.messaging.dispatching import stop
from apps.messaging.failpoints import arm
from apps.messaging.kafka import CONSUMER, librdkafka, topic_name
from apps.messaging.metrics import serve_metrics
from apps.messaging.topics import WAKE_UPS
from apps.messaging.waking import EXPIRES_SECONDS, RUN_JOB, WORK_INTENTS

SWEEP_EVERY_SECONDS = 2
LONGEST_WAIT_SECONDS = 2  # of one poll; a signal is heard after it
PUBLISH_SECONDS = 2  # then a message is given up
NOTHING_BUT_DISASTERS = 2  # in syslog's terms; that a message was not sent is told by who sent it
# They tell of every message, twice; the rows tell what was done.
TALKATIVE = ("celery.beat", "celery.worker.strategy", "celery.worker.request", "celery.app.trace")


def schedule() -> dict[str, dict[str, Any]]:
    """The beat schedule: each context's sweep, and its jobs."""
    sweeps = {
        f"sweep intents of {context}": _entry(WORK_INTENTS, SWEEP_EVERY_SECONDS, context)
        for context in contexts_with_intents()
    }
    jobs = {
        f"{job.name.replace('_', ' ')} of {each.label}": _entry(
            RUN_JOB, job.every, each.label, job.name
        )
        for each in contexts()
        for job in each.jobs
    }
    return sweeps | jobs


def _entry(task: str, every: int, *arguments: str) -> dict[str, Any]:
    options = {"expire_seconds": EXPIRES_SECONDS}
    return {"task": task, "schedule": every, "args": list(arguments), "options": options}


def options() -> dict[str, Any]:
    """How Celery works here, whatever the broker."""
    return {
        **(_other_broker() if settings.CELERY_BROKER_URL else _kafka()),
        "broker_connection_retry_on_startup": True,
        "broker_heartbeat": 0,
        "imports": ("apps.messaging.tasks",),
        "task_default_queue": topic_name(WAKE_UPS),
        "task_ignore_result": True,
        "result_expires": None,  # there are no results, so none are to be cleared away
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_pool": "threads",  # calls wait for others; a thread takes 1 MB, a process 50
        # One dispatches for each context, one is for each job, and one more takes the wake-ups that
        # come while all of these wait for somebody outside.
        "worker_concurrency": len(schedule()) + 1,
        "worker_enable_remote_control": False,
        "beat_scheduler": f"sagaplatform.beat:{'' if settings.WITH_USERS else 'Plain'}Scheduler",
        "enable_utc": True,
    }


def _other_broker() -> dict[str, Any]:
    """Redis, RabbitMQ: a worker takes no more than it works on, so that others get some."""
    return {"broker_url": settings.CELERY_BROKER_URL, "worker_prefetch_multiplier": 1}


def _kafka() -> dict[str, Any]:
    """The cluster that is there, by our own settings (kombu's would know one server only)."""
    queue = topic_name(WAKE_UPS)
    return {
        "broker_url": f"confluentkafka://{settings.KAFKA['bootstrap.servers'].split(',')[0]}",
        # A message counts as done when it is read. To acknowledge one is to commit the position,
        # which a thread of the pool cannot do while the main one polls: it waits for ever (tried).
        "task_queues": [Queue(queue, routing_key=queue, no_ack=True)],
        "broker_transport_options": {
            "wait_time_seconds": LONGEST_WAIT_SECONDS,
            "polling_interval": 0,  # by default it sleeps for a second after each empty poll
            "num_partitions": settings.KAFKA_PARTITIONS,
            "replication_factor": settings.KAFKA_REPLICATION,
            "kafka_common_config": settings.KAFKA,
            "kafka_admin_config": {"log_level": NOTHING_BUT_DISASTERS},
            "kafka_producer_config": {
                "log_level": NOTHING_BUT_DISASTERS,
                "linger.ms": 0,
                "message.timeout.ms": PUBLISH_SECONDS * 1000,
                "on_delivery": _raise_what_failed,
            },
            "kafka_consumer_config": {
                **CONSUMER,
                "enable.partition.eof": False,  # kombu takes the end of a topic for an error
                "logger": librdkafka,
                "group.id": topic_name(workers()),
                "enable.auto.commit": True,
                "auto.commit.interval.ms": 1000,
            },
        },
    }


def workers() -> str:
    """The group that shares the wake-ups: the workers of one deployment. All hear of all contexts,
    and pass over those that are not installed where they are."""
    return "workers" if settings.IS_WHOLE else "-".join(("workers", *settings.CONTEXTS))


def _raise_what_failed(error: KafkaError | None, message: Message) -> None:
    """kombu flushes after each message and takes that for success."""
    if error is not None:
        raise KafkaException(error)


# No fix-ups: Django is set up by manage.py, and Celery's own would close all connections after
# each task.
app = Celery("sagaplatform", fixups=[])
app.set_default()  # in every thread; without it only this one would find the app
app.add_defaults(options)  # read when first needed


@signals.setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Logging is set up already, by Django's settings."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


@signals.worker_init.connect
def begin(**_: Any) -> None:
    """Give metrics, and in tests die at a named place."""
    arm()
    serve_metrics()


@signals.worker_shutting_down.connect
def finish(**_: Any) -> None:
    """TERM was heard. Celery waits for its tasks, which wait for the calls that are under way."""
    stop()


@signals.task_prerun.connect
def check_connections(**_: Any) -> None:
    """A thread of the pool begins a task."""
    drop_broken_connections()
