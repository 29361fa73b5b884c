"""What a scrape is told: the counters of this process or of all on this machine, and the gauges
that are read out of databases and Kafka for it.

A server that does not answer makes its own gauges absent and `sagaplatform_scrape_errors` 1; the
scrape itself never fails for it.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from glob import glob
from pathlib import Path

import structlog
from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from apps.messaging.asking import answers, asker, patiently
from apps.messaging.context import ContextConfig, own_contexts
from apps.messaging.gauges import Gauge, Sample, measures_of, read_gauges
from apps.messaging.lag import consumer_lag, groups_of

log = structlog.get_logger()

KAFKA = "kafka"
LAG = Gauge(
    "kafka_consumer_lag",
    "Messages of a partition that a consumer group has not settled",
    ("group", "topic", "partition"),
)
ERRORS = Gauge(
    "sagaplatform_scrape_errors", "1 where a server did not answer this scrape", ("source",)
)


def scrape() -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(counted())
    registry.register(ServersCollector())
    return generate_latest(registry)


def counted() -> Collector:
    """The metrics of this process, or of all that share its folder (PROMETHEUS_MULTIPROC_DIR)."""
    folder = settings.PROMETHEUS_MULTIPROC_DIR
    if not folder:
        return REGISTRY
    forget_dead_processes(folder)
    return MultiProcessCollector(None, folder)


def forget_dead_processes(folder: str) -> None:
    """Take away the gauges of processes that have ended; what they counted stays."""
    for path in map(Path, glob(f"{folder}/gauge_live*_*.db")):
        pid = path.stem.rpartition("_")[2]
        if not _lives(int(pid)):
            mark_process_dead(pid, folder)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


class ServersCollector(Collector):
    """The gauges that databases and Kafka are asked for."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family for each gauge that this process knows of, be it without a sample."""
        asked = {name: asker(name).ask("gauges", each) for name, each in questions().items()}
        told = answers(asked)
        samples: list[Sample] = []
        for name, answer in told.items():
            samples.append(Sample(ERRORS.name, (name,), isinstance(answer, BaseException)))
            if isinstance(answer, BaseException):
                error = f"{type(answer).__name__}: {answer}"[:200]
                log.warning("scrape_without", source=name, error=error)
            else:
                samples += answer
        yield from families(samples)


def families(samples: Iterable[Sample]) -> Iterator[GaugeMetricFamily]:
    """Samples under the headings of all known gauges."""
    found = {
        each.name: GaugeMetricFamily(each.name, each.meaning, labels=each.labels)
        for each in known_gauges()
    }
    for sample in samples:
        found[sample.gauge].add_metric(sample.labels, sample.value)
    yield from found.values()


def known_gauges() -> list[Gauge]:
    """All gauges that can be asked for here."""
    measures = [each for context in own_contexts() for each in measures_of(context)]
    gauges = dict.fromkeys(gauge for each in measures for gauge in each.gauges)
    return [*gauges, LAG, ERRORS]


def questions() -> dict[str, Callable[[], list[Sample]]]:
    """What each server is asked."""
    of_databases = {each.label: partial(_gauges_of, each) for each in own_contexts()}
    of_kafka = {KAFKA: _lags} if settings.KAFKA["bootstrap.servers"] else {}
    return {**of_databases, **of_kafka}


def _gauges_of(context: ContextConfig) -> list[Sample]:
    return patiently(context.label, lambda database: read_gauges(context))


def _lags() -> list[Sample]:
    found = consumer_lag(groups_of(own_contexts()))
    return [
        Sample(LAG.name, (each.group, each.topic, str(each.partition)), each.messages)
        for each in found
    ]
