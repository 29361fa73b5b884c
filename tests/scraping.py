"""What a scrape says, as numbers; and what changed between two of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    """Every sample of a scrape, by name and labels."""
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    """One of them; None where it is absent."""
    return found.get((name, tuple(sorted(labels.items()))))


def scraped(name: str, **labels: str) -> float | None:
    """A gauge as databases and Kafka tell it now."""
    from apps.messaging.scrape import scrape

    forget()
    return value(samples(scrape().decode()), name, **labels)


def forget() -> None:
    """Let the next scrape, or the next look at the health, ask all servers anew."""
    from apps.messaging.asking import asker
    from sagaplatform.env import ALIASES

    for name in (*ALIASES, "kafka", "home sagas", "home default"):
        asker(name).forget()


class Counted:
    """How much samples of this process rise inside a block."""

    def __init__(self) -> None:
        self.before = self._all()

    def rise(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return self._all().get(key, 0.0) - self.before.get(key, 0.0)

    def _all(self) -> Samples:
        return {
            (each.name, tuple(sorted(each.labels.items()))): each.value
            for family in REGISTRY.collect()
            for each in family.samples
        }


@contextmanager
def closed_port(alias: str, *others: str) -> Iterator[None]:
    """A database that cannot be reached inside the block, from this process's asker of that name
    and from others that ask it."""
    from django.db import connections

    from apps.messaging.asking import asker
    from apps.messaging.database import Database

    address = connections.settings[alias]
    before = address["PORT"]
    disconnect = Database(alias).reconnect
    for name in (alias, *others):
        asker(name).ask("a new connection", disconnect).result()
    address["PORT"] = "1"
    forget()
    try:
        yield
    finally:
        address["PORT"] = before
        forget()
