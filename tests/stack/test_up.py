"""The life of a stack, with a stand-in for the platform: up, deaths, down."""

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagaplatform.stack import postgres
from sagaplatform.stack.ports import is_free

from .conftest import PROJECT, Foreground, Trial, new_home, until

NewTrial = Callable[..., Trial]
# Kafka's start is the longest; where it is not the point, the stack believes there is another one.
NO_KAFKA = {"KAFKA_BOOTSTRAP_SERVERS": "broker.example:9092"}


class Running:
    def __init__(self, trial: Trial, foreground: Foreground) -> None:
        self.trial = trial
        self.foreground = foreground


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One `up` for all tests that leave it running."""
    trial = Trial(new_home())
    trial.layout.metrics.mkdir()
    (trial.layout.metrics / "counter_1.db").touch()  # of an earlier run
    foreground = trial.start("up")
    try:
        foreground.says("Ctrl-C stops everything.")
        yield Running(trial, foreground)
    finally:
        trial.clear()


def test_up_tells_what_it_does_and_where_things_are(running: Running) -> None:
    output = running.foreground.output
    port = running.trial.ports["WEB_PORT"]
    assert f"Shop API  http://127.0.0.1:{port}/api/" in output
    assert f"Admin     http://127.0.0.1:{port}/admin/" in output
    cards = running.trial.ports["GATEWAY_PORT"]
    assert f"Cards     http://127.0.0.1:{cards}/   (a stand-in for Stripe" in output
    assert "Login     agent / stand-in" in output
    for text in ("PostgreSQL", "databases and roles", "Kafka 4.3.1", "migrate_all", "15 processes"):
        assert text in output


@pytest.mark.parametrize(
    ("name", "title"), [("orders", "The consumer of orders"), ("postgres", "PostgreSQL")]
)
def test_a_killed_process_is_started_again_and_reported(
    running: Running, name: str, title: str
) -> None:
    before = running.trial.pid_of(name)
    os.kill(before, signal.SIGKILL)
    running.foreground.says(f"{title} died (terminated by SIGKILL)")
    running.foreground.says(f"{title} was started again")
    until(lambda: running.trial.pid_of(name) not in (0, before), f"{name} runs again")


def test_what_an_earlier_run_has_counted_is_gone(running: Running) -> None:
    assert list(running.trial.layout.metrics.iterdir()) == []


def test_a_second_up_says_where_the_first_one_is_and_harms_nothing(running: Running) -> None:
    before = set(running.trial.processes())
    second = running.trial.call("up")
    assert second.returncode == 0
    assert f"It runs already (process {running.foreground.process.pid}" in second.stdout
    assert running.trial.ports["WEB_PORT"] in second.stdout
    assert before <= set(running.trial.processes())


def test_run_uses_what_runs_and_leaves_it_running(running: Running) -> None:
    shown = "import os; print(os.environ['DATABASE_URL_ORDERS'], os.environ['PATH'].split(':')[0])"
    before = running.trial.pid_of("web")
    result = running.trial.call("run", "--platform", "--", "python", "-c", shown)
    assert result.returncode == 0, result.stdout
    assert "/saga_orders" in result.stdout
    assert running.trial.pid_of("web") == before


def test_status_shows_every_process_with_its_memory(running: Running) -> None:
    rows = {line.split()[0]: line for line in running.trial.call("status").stdout.splitlines()}
    for name in ("postgres", "kafka", "web", "orders", "sagas", "notifications"):
        assert "RUNNING" in rows[name] or "STARTING" in rows[name]
        assert rows[name].endswith("MB")


def test_ctrl_c_stops_everything_without_a_word_too_many(new_trial: NewTrial) -> None:
    trial = new_trial()
    foreground = trial.start("up")
    foreground.says("Ctrl-C stops everything.")
    assert foreground.ends(signal.SIGINT) == 0
    assert foreground.output.rstrip().splitlines()[-1].startswith("  stopping everything … ok")
    assert "Traceback" not in foreground.output
    assert_nothing_is_left(trial)


@pytest.mark.parametrize(
    "moment", ["creating the data directory", "databases and roles", "migrate_all", "15 processes"]
)
def test_ctrl_c_during_the_start_leaves_nothing_and_the_next_start_works(
    new_trial: NewTrial, moment: str
) -> None:
    trial = new_trial(**NO_KAFKA)
    foreground = trial.start("up")
    until(lambda: moment in foreground.output, moment)
    assert foreground.ends(signal.SIGINT) == 0
    assert "Traceback" not in foreground.output
    assert "Error" not in foreground.output
    assert_nothing_is_left(trial)
    trial.succeeds("run", "--", "true")


def test_down_stops_it_from_another_terminal(new_trial: NewTrial) -> None:
    trial = new_trial(**NO_KAFKA)
    foreground = trial.start("up")
    foreground.says("Ctrl-C stops everything.")
    stopped = trial.call("down")
    assert stopped.returncode == 0
    assert stopped.stdout.startswith(f"  stopping `up` (process {foreground.process.pid}) … ok")
    assert stopped.stdout.endswith("Stopped; the data are kept.\n")
    assert foreground.ends() == 0
    assert_nothing_is_left(trial)
    again = trial.call("down")
    assert (again.returncode, again.stdout) == (0, "Nothing runs.\n")


def test_down_after_up_itself_was_killed(new_trial: NewTrial) -> None:
    trial = new_trial(**NO_KAFKA)
    foreground = trial.start("up")
    foreground.says("Ctrl-C stops everything.")
    foreground.ends(signal.SIGKILL)
    assert trial.processes()
    trial.succeeds("down")
    assert_nothing_is_left(trial)


def test_when_the_supervisor_is_killed_nothing_is_left(new_trial: NewTrial) -> None:
    trial = new_trial(**NO_KAFKA)
    foreground = trial.start("servers")
    foreground.says("Ctrl-C stops them")
    os.kill(int((trial.layout.home / "supervisord.pid").read_text()), signal.SIGKILL)
    assert foreground.ends() == 1
    assert "Error: supervisord, which looks after the processes, was ended" in foreground.output
    assert_nothing_is_left(trial)


def test_run_returns_the_exit_status_and_stops_what_it_started(new_trial: NewTrial) -> None:
    trial = new_trial(**NO_KAFKA)
    result = trial.call("run", "--bare", "--", "sh", "-c", "exit 7")
    assert result.returncode == 7
    assert_nothing_is_left(trial)


def test_run_for_tests_gives_other_databases_and_their_owners(new_trial: NewTrial) -> None:
    trial = new_trial(**NO_KAFKA)
    shown = "import os; print(*(f'{k}={v}' for k, v in os.environ.items()), sep='\\n')"
    output = trial.call("run", "--test", "--", "python", "-c", shown).stdout
    lines = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    assert lines["DATABASE_URL_ORDERS"].endswith("/test_saga_orders")
    assert lines["DATABASE_OWNER_URL_ORDERS"].endswith("/test_saga_orders")
    assert lines["KAFKA_TOPIC_PREFIX"] == "test."


def test_a_taken_port_is_named_with_what_to_do(new_trial: NewTrial) -> None:
    trial = new_trial()
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", int(trial.ports["POSTGRES_PORT"])))
        stranger.listen()
        result = trial.call("up")
    port = trial.ports["POSTGRES_PORT"]
    assert result.returncode == 1
    assert (
        f"Error: Port {port}, meant for PostgreSQL, is taken by another program." in result.stdout
    )
    assert " POSTGRES_PORT=" in result.stdout
    assert "Traceback" not in result.stdout
    assert_nothing_is_left(trial)


def test_a_command_that_fails_is_shown_with_its_last_words(
    new_trial: NewTrial, tmp_path: Path
) -> None:
    project = changed_project(
        tmp_path, "def create_topics() -> None:", 'sys.exit("no topics today")'
    )
    trial = new_trial(**NO_KAFKA, project=project)
    result = trial.call("up")
    assert result.returncode == 1
    assert "    no topics today" in result.stdout
    assert "Error: `manage.py create_topics` failed with exit status 1." in result.stdout
    assert_nothing_is_left(trial)


def test_a_process_that_cannot_start_is_shown_with_its_last_words(
    new_trial: NewTrial, tmp_path: Path
) -> None:
    """The web pages do not answer either: on a slow machine they would before the third death."""
    project = changed_project(tmp_path, "def run_consumer() -> None:", 'sys.exit("no work today")')
    wsgi = project / "sagaplatform/wsgi.py"
    wsgi.write_text(wsgi.read_text().replace("200 OK", "503 Service Unavailable"))
    trial = new_trial(**NO_KAFKA, project=project)
    result = trial.call("up")
    assert result.returncode == 1
    assert "    no work today" in result.stdout
    assert "does not start. The end of its log is above" in result.stdout
    assert_nothing_is_left(trial)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")
def test_data_go_outside_where_the_servers_account_cannot_enter(
    new_trial: NewTrial, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    trial = new_trial(**NO_KAFKA, home=closed / "home")
    outside = postgres.data_folders(trial.layout)[1]
    result = trial.call("run", "--bare", "--", "true")
    assert result.returncode == 0, result.stdout
    assert f"PostgreSQL's data are in {outside}" in result.stdout
    assert (outside / "data" / "PG_VERSION").exists()
    assert trial.call("clean").returncode == 0
    assert not outside.exists()
    assert not trial.layout.home.exists()


def test_given_databases_must_be_complete(new_trial: NewTrial) -> None:
    trial = new_trial()
    result = trial.call("up", DATABASE_URL_ORDERS="postgresql://a:b@db.example/orders")
    assert result.returncode == 1
    assert "Error: Some databases are given by the environment, but not" in result.stdout
    assert "DATABASE_OWNER_URL_ORDERS" in result.stdout


def test_the_tests_refuse_databases_that_are_not_local(new_trial: NewTrial) -> None:
    trial = new_trial()
    url = "postgresql://a:b@db.example/orders"
    result = trial.call("run", "--test", "--", "true", DATABASE_URL_ORDERS=url)
    assert result.returncode == 1
    assert "The tests empty every table" in result.stdout


def test_a_kafka_of_ones_own_is_used_and_none_is_started(new_trial: NewTrial) -> None:
    trial = new_trial(**NO_KAFKA)
    shown = "import os; print(os.environ['KAFKA_BOOTSTRAP_SERVERS'])"
    result = trial.call("run", "--bare", "--", "python", "-c", shown)
    assert "\nbroker.example:9092\n" in result.stdout
    assert not trial.layout.kafka.exists()


def changed_project(folder: Path, head: str, body: str) -> Path:
    """The stand-in, with other words at the start of one of its functions."""
    project = folder / "project"
    shutil.copytree(PROJECT, project)
    manage = project / "manage.py"
    manage.write_text(manage.read_text().replace(head, f"{head}\n    {body}"))
    return project


def assert_nothing_is_left(trial: Trial) -> None:
    assert trial.processes() == []
    assert [name for name, port in trial.ports.items() if not is_free(int(port))] == []
