"""A local Kafka: one node that is broker and controller, run from its jars."""

import base64
import os
import shlex
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from sagaplatform.stack import jars
from sagaplatform.stack.accounts import run_as
from sagaplatform.stack.errors import CommandFailed
from sagaplatform.stack.files import own_folder
from sagaplatform.stack.java import Java
from sagaplatform.stack.layout import Layout
from sagaplatform.stack.ports import LOOPBACK
from sagaplatform.stack.terminal import step

MEGABYTE = 1024 * 1024

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.heartbeat.interval.ms": "1500",
    "group.consumer.min.heartbeat.interval.ms": "1500",
    "log.retention.hours": "48",
    "log.retention.bytes": str(256 * MEGABYTE),  # per partition
    "log.segment.bytes": str(64 * MEGABYTE),
    "log.cleaner.dedupe.buffer.size": str(16 * MEGABYTE),
}
JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseG1GC", "-Djava.awt.headless=true")
LOGGING = """\
status = error
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1}: %m%n
"""


@dataclass(frozen=True)
class Kafka:
    """A prepared broker."""

    java: Java
    folder: Path
    port: int

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "server.properties"

    @property
    def arguments(self) -> Path:
        """The JVM's options and class path, in a file: they would fill a screen in `ps`."""
        return self.folder / "java.args"

    @property
    def command(self) -> str:
        return shlex.join(self.call("kafka.Kafka", str(self.config)))

    def call(self, *words: str) -> list[str]:
        return [str(self.java.path), f"@{self.arguments}", *words]

    def __str__(self) -> str:
        return f"Kafka {jars.KAFKA} (Java {self.java.major}) on {self.address}"


def prepare(layout: Layout, java: Java, ports: Mapping[str, int]) -> Kafka:
    """Fetch the jars if need be, write the settings, format the storage once."""
    cache = jars.cache_folder()
    if wanted := jars.missing(cache):
        with step(f"Kafka {jars.KAFKA}: fetching {len(wanted)} jars"):
            jars.fetch(wanted, cache)
    own_folder(layout.kafka, 0o700)  # its data are what customers have told
    broker = Kafka(java, layout.kafka, ports["kafka"])
    _write_settings(broker, ports["kafka_controller"], cache)
    if not (layout.kafka / "data" / "meta.properties").exists():
        with step(f"Kafka {jars.KAFKA}: formatting its storage"):
            _format(broker, layout)
    return broker


def wait(address: str, give_up: Callable[[], None]) -> None:
    """Return when it answers; `give_up` is called between attempts and raises when it is time."""
    while not _answers(address):
        give_up()
        time.sleep(0.1)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
        client = AdminClient({"bootstrap.servers": address, "log_level": 0})
        client.list_topics(timeout=5)
    except (OSError, KafkaException):
        return False
    return True


def _write_settings(broker: Kafka, controller: int, cache: Path) -> None:
    listeners = f"PLAINTEXT://{broker.address},CONTROLLER://{LOOPBACK}:{controller}"
    places = {
        "listeners": listeners,
        "advertised.listeners": listeners,
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller}",
        "log.dirs": str(broker.folder / "data"),
    }
    lines = [f"{name}={value}\n" for name, value in {**SETTINGS, **places}.items()]
    broker.config.write_text("".join(lines))
    logging = broker.folder / "log4j2.properties"
    logging.write_text(LOGGING)
    class_path = os.pathsep.join(str(jar.path_in(cache)) for jar in jars.locked())
    options = [*JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", class_path]
    broker.arguments.write_text("".join(f"{_quoted(option)}\n" for option in options))


def _quoted(option: str) -> str:
    """As Java's argument files want it."""
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _format(broker: Kafka, layout: Layout) -> None:
    words = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id(uuid.uuid4())]
    result = run_as(None, broker.call(*words, "-c", str(broker.config)))
    layout.log("kafka-format").write_text(result.stdout)
    if result.returncode:
        raise CommandFailed(
            what="Formatting Kafka's storage",
            status=result.returncode,
            log=layout.log("kafka-format"),
            tail=result.stdout.splitlines()[-15:],
        )


def cluster_id(chance: uuid.UUID) -> str:
    """A new cluster's id. None begins with a dash, which the tool takes for an option."""
    return base64.urlsafe_b64encode(b"\0" + chance.bytes[1:]).decode().rstrip("=")
