"""A local Kafka, run from its jars: nodes that are broker and controller, one or three."""

import os
import shlex
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from sagaplatform.stack import cluster, jars
from sagaplatform.stack.accounts import run_as
from sagaplatform.stack.cluster import Cluster
from sagaplatform.stack.errors import CommandFailed
from sagaplatform.stack.files import own_folder
from sagaplatform.stack.java import Java
from sagaplatform.stack.layout import Layout
from sagaplatform.stack.ports import LOOPBACK
from sagaplatform.stack.terminal import step

MEGABYTE = 1024 * 1024

SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
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
COPIES = (  # of each partition, and of what Kafka itself keeps
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
)
IN_SYNC = (  # copies that must have a message before it counts as written
    "min.insync.replicas",
    "transaction.state.log.min.isr",
    "share.coordinator.state.topic.min.isr",
)
HEAP = {1: ("-Xms128m", "-Xmx512m"), 3: ("-Xms96m", "-Xmx384m")}  # of each node
JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # the optimising compiler takes a quarter of a core for minutes
    "-Djava.awt.headless=true",
)
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
    """A prepared node."""

    name: str
    node: int
    java: Java
    folder: Path
    port: int
    controller: int

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


def told(nodes: Sequence[Kafka]) -> str:
    """What to call them together."""
    first, *others = nodes
    addresses = ", ".join([first.address, *(str(each.port) for each in others)])
    return f"Kafka {jars.KAFKA} (Java {first.java.major}) on {addresses}"


def prepare(layout: Layout, java: Java, ports: Mapping[str, int], brokers: int) -> list[Kafka]:
    """Fetch the jars if need be, write the settings, format the storage of each node once."""
    cache = jars.cache_folder()
    if wanted := jars.missing(cache):
        with step(f"Kafka {jars.KAFKA}: fetching {len(wanted)} jars"):
            jars.fetch(wanted, cache)
    nodes = [
        Kafka(name, number, java, layout.home / name, ports[name], ports[f"{name}_controller"])
        for number, name in enumerate(cluster.names(brokers), start=1)
    ]
    for each in nodes:
        own_folder(each.folder, 0o700)  # its data are what customers have told
        _write_settings(each, nodes, cache)
    new = [each for each in nodes if not cluster.is_formatted(each.folder)]
    if new:
        with step(f"Kafka {jars.KAFKA}: formatting its storage"):
            kept = Cluster.load(layout, brokers)
            for each in new:
                _format(each, kept, layout)
    return nodes


def wait(address: str, brokers: int, give_up: Callable[[], None]) -> None:
    """Return when it answers and knows so many brokers; `give_up` is called between attempts and
    raises when it is time."""
    while _brokers_known(address) < brokers:
        give_up()
        time.sleep(0.1)


def _brokers_known(address: str) -> int:
    """To the broker at this address; none where it does not answer."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
        client = AdminClient({"bootstrap.servers": address, "log_level": 0})
        return len(client.list_topics(timeout=5).brokers)
    except (OSError, KafkaException):
        return 0


def quorum(nodes: Sequence[Kafka]) -> dict[str, str]:
    """How the controllers find one another. Voters in the settings may move to other ports, which
    voters in the storage could not."""
    if len(nodes) == 1:
        return {"controller.quorum.bootstrap.servers": f"{LOOPBACK}:{nodes[0].controller}"}
    voters = ",".join(f"{each.node}@{LOOPBACK}:{each.controller}" for each in nodes)
    return {"controller.quorum.voters": voters}


def copies(brokers: int) -> dict[str, str]:
    """Of three brokers one may be away: nothing is lost, and nobody waits."""
    return dict.fromkeys(COPIES, str(brokers)) | dict.fromkeys(IN_SYNC, str((brokers + 1) // 2))


def _write_settings(broker: Kafka, nodes: Sequence[Kafka], cache: Path) -> None:
    listeners = f"PLAINTEXT://{broker.address},CONTROLLER://{LOOPBACK}:{broker.controller}"
    places = {
        "node.id": str(broker.node),
        "listeners": listeners,
        "advertised.listeners": listeners,
        "log.dirs": str(broker.folder / "data"),
    }
    settings = {**SETTINGS, **copies(len(nodes)), **quorum(nodes), **places}
    broker.config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    logging = broker.folder / "log4j2.properties"
    logging.write_text(LOGGING)
    class_path = os.pathsep.join(str(jar.path_in(cache)) for jar in jars.locked())
    options = [*HEAP[len(nodes)], *JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", class_path]
    broker.arguments.write_text("".join(f"{_quoted(option)}\n" for option in options))


def _quoted(option: str) -> str:
    """As Java's argument files want it."""
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _format(broker: Kafka, kept: Cluster, layout: Layout) -> None:
    words = ["kafka.tools.StorageTool", "format", "-t", kept.id]
    words += ["--standalone"] if kept.brokers == 1 else []
    result = run_as(None, broker.call(*words, "-c", str(broker.config)))
    layout.log("kafka-format").write_text(result.stdout)
    if result.returncode:
        raise CommandFailed(
            what="Formatting Kafka's storage",
            status=result.returncode,
            log=layout.log("kafka-format"),
            tail=result.stdout.splitlines()[-15:],
        )
