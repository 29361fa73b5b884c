"""Celery on a real Kafka, with workers and beats in processes of their own."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import celery
import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.utils.module_loading import import_string
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from pytest_django import Settings

from apps.messaging.context import Job, contexts, contexts_with_intents
from apps.messaging.database import Database
from apps.messaging.jobs import run_job
from apps.messaging.kafka import new_consumer
from apps.messaging.topics import WAKE_UPS
from apps.messaging.waking import WORK_INTENTS
from sagaplatform.beat import Scheduler
from sagaplatform.celery import app, options, schedule
from sagaplatform.stack.processes import BEAT as BEAT_PROCESS
from sagaplatform.stack.processes import WORKER as WORKER_PROCESS
from tests.kafka import empty, is_read_to_its_end
from tests.messaging.calling import PATIENCE_SECONDS, until
from tests.messaging.working import BEAT, WORKER, Works
from tests.threads import at_once

Databases = dict[str, psycopg.Connection]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, topics: None) -> Iterator[Works]:
    empty(WAKE_UPS)  # what an earlier run of these tests has left there
    works = Works(tmp_path_factory.mktemp("celery"))
    yield works
    works.stop()


@pytest.fixture
def works(started: Works, databases: Databases) -> Works:
    """One worker runs; tests share it."""
    started.owners = databases
    if not started.processes:
        started.start(WORKER)
        started.wake_until(started.notes)
    return started


# --- workers


def test_a_wake_up_reaches_a_worker_in_a_process_of_its_own(works: Works) -> None:
    [worker] = works.processes
    works.wake_until(lambda: works.notes("shipping"), "shipping")
    assert set(works.notes("shipping")) == {worker.pid}
    assert works.notes("pricing") == []
    assert "PARTITION_EOF" not in (works.logs / "celery.log").read_text()  # no error of anybody's


def test_two_workers_share_and_when_one_is_killed_the_other_takes_all(works: Works) -> None:
    [first] = works.processes
    second = works.start(WORKER)
    works.wake_until(lambda: {first.pid, second.pid} <= set(works.notes()))
    works.end(first, signal.SIGKILL)
    works.forget()
    for _ in range(30):
        app.send_task(WORK_INTENTS, ["inventory"])
    works.wait_until(all_read, pause=0.3)
    assert set(works.notes()) == {second.pid}


def all_read() -> bool:
    """Whether the workers have read each partition to its end."""
    reader = new_consumer("workers")
    try:
        return is_read_to_its_end(reader, WAKE_UPS)
    finally:
        reader.close()


def test_connections_that_broke_between_two_wake_ups_cost_none(works: Works) -> None:
    for expected in (20, 40):
        for _ in range(20):
            app.send_task(WORK_INTENTS, ["pricing"])
        works.wait_until(lambda count=expected: len(works.notes("pricing")) == count)
        at_once(cut_all_connections)


def cut_all_connections() -> None:
    """A role may end its own connections, those of the worker here."""
    Database("pricing").execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = current_user AND datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )


def test_a_topic_that_is_emptied_under_a_worker_costs_what_was_in_it(works: Works) -> None:
    [worker] = works.processes
    worker.send_signal(signal.SIGSTOP)
    for _ in range(20):
        app.send_task(WORK_INTENTS, ["sagas"])
    empty(WAKE_UPS)
    worker.send_signal(signal.SIGCONT)
    works.wake_until(lambda: works.notes("notifications"), "notifications")
    assert len(works.notes("sagas")) < 20  # a fetch that was under way may have brought some


def test_a_worker_that_is_asked_to_stop_does_so_in_its_time(works: Works) -> None:
    [worker] = works.processes
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(WORKER_PROCESS.patience) == 0
    works.processes.clear()


def test_a_worker_without_its_topic_says_how_to_create_it(settings: Settings) -> None:
    settings.KAFKA_TOPIC_PREFIX = "nowhere."
    with pytest.raises(CommandError, match=r"`manage\.py create_topics`.*wake-ups"):
        call_command("run_worker")


# --- beat


def test_two_beats_wake_workers_that_nobody_wakes_and_harm_nothing(works: Works) -> None:
    every = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name="often", task=WORK_INTENTS, interval=every, args='["pricing"]')
    [worker] = works.processes
    beats = [works.start(BEAT), works.start(BEAT)]
    works.wait_until(lambda: len(works.notes("pricing")) >= 6)
    assert set(works.notes("pricing")) == {worker.pid}
    for beat in beats:
        beat.send_signal(signal.SIGTERM)
        assert beat.wait(BEAT_PROCESS.patience) == 0
        works.processes.remove(beat)


@pytest.fixture
def two_contexts(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagaplatform.celery.contexts_with_intents", lambda: ["payments", "orders"])
    monkeypatch.setattr("sagaplatform.celery.contexts", lambda: [apps.get_app_config("pricing")])


def test_beat_sweeps_each_context_every_two_seconds(two_contexts: None) -> None:
    Scheduler(app=app)
    found = PeriodicTask.objects.order_by("name")
    assert [(e.name, e.task, e.args, str(e.interval), e.expire_seconds) for e in found] == [
        (
            f"sweep intents of {context}",
            "messaging.work_intents",
            f'["{context}"]',
            "every 2 seconds",
            10,
        )
        for context in ("orders", "payments")
    ]


def test_what_operations_staff_changed_outlives_a_restart_of_beat(two_contexts: None) -> None:
    Scheduler(app=app)
    slow = IntervalSchedule.objects.create(every=30, period=IntervalSchedule.SECONDS)
    payments = PeriodicTask.objects.get(name="sweep intents of payments")
    payments.interval, payments.enabled = slow, False
    payments.save()
    assert set(Scheduler(app=app).schedule) == {"sweep intents of orders"}
    payments.refresh_from_db()
    assert (payments.interval, payments.enabled) == (slow, False)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pricing has a job, which is to do nothing."""
    job = Job("count_stars", "tests.messaging.working.do_nothing", every=7)
    monkeypatch.setattr(apps.get_app_config("pricing"), "jobs", (job,))


def test_beat_asks_for_each_job_of_a_context(counting: None, databases: Databases) -> None:
    found = schedule()["count stars of pricing"]
    assert (found["task"], found["args"], found["schedule"]) == (
        "messaging.run_job", ["pricing", "count_stars"], 7,
    )  # fmt: skip


def test_a_job_is_carried_out_by_its_name_and_others_are_passed_over(
    counting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr("tests.messaging.working.do_nothing", lambda: done.append("counted"))
    assert run_job("pricing", "count_stars")
    assert done == ["counted"]
    assert not run_job("pricing", "count_grains")
    assert not run_job("elsewhere", "count_stars")
    assert done == ["counted"]


def test_of_a_job_one_runs_at_a_time_and_looks_again_for_whoever_asked_meanwhile(
    counting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    free = threading.Event()

    def look() -> None:
        looks.append("looked")
        assert free.wait(PATIENCE_SECONDS)

    monkeypatch.setattr("tests.messaging.working.do_nothing", look)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(run_job, "pricing", "count_stars")
        until(lambda: looks, "the job did not begin")
        try:
            for _ in range(3):
                assert pool.submit(run_job, "pricing", "count_stars").result(PATIENCE_SECONDS / 2)
        finally:
            free.set()
        assert first.result(PATIENCE_SECONDS)
    assert looks == ["looked"] * 2

    assert run_job("pricing", "count_stars")
    assert looks == ["looked"] * 3


def test_a_job_that_fails_can_be_run_again(counting: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.messaging.working.do_nothing", lambda: 1 / 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            run_job("pricing", "count_stars")


def test_a_worker_has_a_thread_for_each_context_and_each_job_and_one_for_wake_ups(
    counting: None,
) -> None:
    jobs = [job for each in contexts() for job in each.jobs]
    assert options()["worker_concurrency"] == len(contexts_with_intents()) + len(jobs) + 1


def test_every_declared_job_can_be_found() -> None:
    jobs = [job for each in contexts() for job in each.jobs]
    assert {each.name for each in jobs} >= {"stripe_events", "ending_holds", "reconciliation"}
    assert all(callable(import_string(each.run)) for each in jobs)


# --- the app


def test_contexts_with_a_model_named_intent_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    before = contexts_with_intents()
    monkeypatch.setitem(apps.get_app_config("pricing").models, "intent", object)
    assert set(contexts_with_intents()) - set(before) == {"pricing"}


def test_every_thread_of_a_process_finds_our_app() -> None:
    assert at_once(lambda: celery.current_app.main) == ["sagaplatform"]


def test_another_broker_is_a_setting(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "amqp://broker.example"
    chosen = options()
    assert chosen["broker_url"] == "amqp://broker.example"
    assert "broker_transport_options" not in chosen
    assert chosen["task_default_queue"] == "test.wake-ups"


def test_a_secured_cluster_is_reached_as_our_own_clients_reach_it(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = ""
    settings.KAFKA = {
        "bootstrap.servers": "a.example:9092,b.example:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "shop",
        "sasl.password": "secret",
    }
    chosen = options()
    assert chosen["broker_url"] == "confluentkafka://a.example:9092"
    assert chosen["broker_transport_options"]["kafka_common_config"] == settings.KAFKA


def test_the_local_stack_needs_no_celery() -> None:
    """It starts before the packages are installed, and says so where one is missing."""
    shown = "import sys, sagaplatform.stack, sagaplatform.env; print('celery' in sys.modules)"
    words = [sys.executable, "-c", shown]
    assert subprocess.check_output(words, text=True, env={**os.environ}) == "False\n"
