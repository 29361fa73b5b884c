"""Every metric, from the objects that count it."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from apps.messaging.context import contexts
from apps.messaging.gauges import MEASURES, Measure
from apps.messaging.scrape import ERRORS, LAG
from sagaplatform.metrics import RequestMetrics
from sagaplatform.reference.markdown import code, codes, page, table

INTRODUCTION = """
What `GET /metrics` tells, in the code's own words. [metrics.md](../metrics.md) says what each means
for whoever is on call, which alert goes with it, who may scrape, and how processes add up.
"""
COUNTED = "## Counted by the processes"
READ = """
## Read when somebody asks

Gauges that are asked of the databases and of Kafka for the scrape, at most every five seconds.
"""
HEADERS = ("metric", "kind", "labels", "tells")


class Told(NamedTuple):
    """One metric as a line of the page."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def row(self) -> tuple[str, str, str, str]:
        return code(self.name), self.kind, codes(self.labels), self.meaning


def metrics_page() -> str:
    """The page docs/reference/metrics.md."""
    counted = table(HEADERS, (each.row for each in _counted()))
    read = table(HEADERS, (each.row for each in _read()))
    return page("Metrics", "the metrics' own help", INTRODUCTION, COUNTED, counted, READ, read)


def _counted() -> list[Told]:
    """Those that a process keeps itself: ours, then those of requests."""
    ours = (each for module in _modules() for each in _of_object(module))
    return [*map(_told, ours), *map(_told, _of_object(RequestMetrics.get_instance()))]


def _read() -> Iterator[Told]:
    measures: list[Measure] = list(MEASURES)
    for module in _modules():
        measures += getattr(module, "MEASURES", ())
    for gauge in (*(each for measure in measures for each in measure.gauges), LAG, ERRORS):
        yield Told(gauge.name, "gauge", tuple(gauge.labels), gauge.meaning)


def _modules() -> Iterable[object]:
    """The metrics of messaging and of each context that has some."""
    names = ("apps.messaging", *(each.name for each in contexts()))
    return [import_module(f"{name}.metrics") for name in names if find_spec(f"{name}.metrics")]


def _of_object(owner: object) -> list[MetricWrapperBase]:
    return [each for each in vars(owner).values() if isinstance(each, MetricWrapperBase)]


def _told(metric: MetricWrapperBase) -> Told:
    [family] = metric.describe()
    name = f"{family.name}_total" if isinstance(metric, Counter) else family.name
    return Told(name, _kind(metric), tuple(metric._labelnames), family.documentation.rstrip("."))


def _kind(metric: MetricWrapperBase) -> str:
    if isinstance(metric, Histogram):
        return "histogram"
    return "gauge" if isinstance(metric, Gauge) else "counter"
