"""A small demonstration as a whole, over real HTTP; hands carry the messages instead of Kafka."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections

from apps.messaging.relay import Relay
from apps.orders.modes import share_of
from sagaplatform.shop.modes import PERCENT, DemoMode
from tests.ops.world import deliver

PRODUCTS = "product_id,list_price_cents\n15,500\n16,300\n17,100\n18,200\n"
HEADER = "placed_at,basket_id,household_id,product_id,quantity,unit_price_cents\n"
# By the rules: 15 is short by a quarter, 16 at 296 has ended, household 25 has half of its money,
# basket 45 wants gift wrap.
BASKETS = HEADER + "".join(
    f"t,{basket},{household},{product},{quantity},{cents}\n"
    for basket, household, product, quantity, cents in (
        (1, 1, 15, 4, 500),
        (2, 2, 15, 4, 500),
        (3, 3, 15, 4, 500),
        (11, 1, 15, 4, 500),
        (12, 1, 16, 1, 296),
        (13, 2, 16, 1, 296),
        (14, 3, 16, 1, 296),
        (21, 25, 17, 1, 100),
        (31, 4, 18, 61, 200),
        (45, 4, 17, 31, 100),
        (46, 5, 17, 30, 100),
    )
)


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nothing: the tests look at what came."""


class ClosingServer(ThreadedWSGIServer):
    """Each request's thread takes its connections with it."""

    def _close_connections(self) -> None:
        connections.close_all()


@contextmanager
def web() -> Iterator[str]:
    """The platform's web pages; their address."""
    server = ClosingServer(("127.0.0.1", 0), QuietHandler, connections_override={})
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def messengers(owners) -> Iterator[None]:
    """Messages are carried until the end."""
    over = threading.Event()

    def carry() -> None:
        while not over.wait(0.02):
            deliver(owners)
        connections.close_all()

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def url(databases, monkeypatch):
    monkeypatch.setattr(Relay, "dispatch", lambda self, letters: None)
    with web() as url, messengers(databases):
        yield url


@pytest.fixture
def files(tmp_path):
    (tmp_path / "products.csv").write_text(PRODUCTS)
    (tmp_path / "baskets.csv").write_text(BASKETS)
    return tmp_path


def demo(url, files, mode=None):
    paths = {"baskets": files / "baskets.csv", "catalogue": files / "products.csv"}
    call_command("demo", *([f"--mode={mode}"] if mode else []), url=url, **paths)


def driven(databases):
    """How many of the orders were placed, and how many of them events drove."""
    sagas = databases["sagas"].execute("SELECT mode FROM sagas_saga").fetchall()
    return len(sagas), sagas.count(("choreographed",))


def table(printed):
    """The rows of the tables of names and values, by name; of equal names the last."""
    rows = [line.strip("│").split("│") for line in printed.splitlines() if line.count("│") == 3]
    return {name.strip(): value.strip() for name, value in rows}


ENDS = {
    "orders placed": "11",
    "confirmed": "4 (36.4 %)",
    "undone": "7 (63.6 %)",
    "stock short": "1 (9.1 %)",
    "price changed": "3 (27.3 %)",
    "credit short": "1 (9.1 %)",
    "wrap unavailable": "1 (9.1 %)",
    "shipment refused": "1 (9.1 %)",
}

BY_EVENTS = "choreographed: the services, by events"
BY_COMMANDS = "orchestrated: the engine, by commands"


@pytest.mark.parametrize("mode", DemoMode)
def test_a_demonstration_ends_as_the_rules_say_and_adds_up(url, files, databases, capsys, mode):
    demo(url, files, mode)
    printed = capsys.readouterr().out
    assert ENDS.items() <= table(printed).items()
    assert "Everything adds up. No saga is under way." in printed
    orders, by_events = driven(databases)
    assert orders == 11
    by_engine = orders - by_events
    for words, count in ((BY_EVENTS, by_events), (BY_COMMANDS, by_engine)):
        share = f"{count} ({100 * count / orders:.1f} %)" if count else None
        assert table(printed).get(words) == share
    if mode is not DemoMode.MIXED:
        assert by_events == (11 if mode is DemoMode.CHOREOGRAPHED else 0)
    assert [share_of(each)[0] for each in ("place_order", "cancel_order")] == [PERCENT[mode]] * 2


def test_a_second_demonstration_comes_to_the_same(url, files, capsys):
    demo(url, files)
    capsys.readouterr()
    demo(url, files)
    assert ENDS.items() <= table(capsys.readouterr().out).items()


def test_a_demonstration_fails_where_something_does_not_add_up(url, files, databases, capsys):
    demo(url, files)
    databases["inventory"].execute("UPDATE inventory_stock SET shipped = shipped + 1")
    with pytest.raises(SystemExit, match="1"):
        demo(url, files)
    assert "Something does not add up." in capsys.readouterr().out


def test_a_replay_tells_its_outcomes_as_json(url, files, databases, capsys):
    paths = {"catalogue": files / "products.csv", "baskets": files / "baskets.csv"}
    call_command("load_catalogue", **paths)
    capsys.readouterr()
    arguments = [f"--catalogue={paths['catalogue']}", f"--url={url}", "--orders=3", "--json"]
    call_command("replay_orders", str(paths["baskets"]), *arguments, "--mode=choreographed")
    told = json.loads(capsys.readouterr().out)
    assert (told["placed"], told["ended"], told["confirmed"], told["undone"]) == (3, 3, 3, {})
    assert told["refused_requests"] == {}
    assert 0 < told["latency_seconds"]["p50"] < 10
    assert driven(databases) == (3, 3)


def test_the_same_run_places_no_basket_twice(url, files, databases):
    paths = {"catalogue": files / "products.csv", "baskets": files / "baskets.csv"}
    call_command("load_catalogue", **paths)
    for _ in range(2):
        call_command(
            "replay_orders", paths["baskets"], url=url, run="a", catalogue=paths["catalogue"]
        )
    [(orders,)] = databases["orders"].execute("SELECT count(*) FROM orders_order").fetchall()
    assert orders == 11
