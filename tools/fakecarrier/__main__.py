"""`python -m tools.fakecarrier --port 8360 --data carrier.sqlite3`: until it is told to stop."""

import argparse
import logging
import socket
import sqlite3

from aiohttp import web

from tools import serving
from tools.fakestripe.store import Store
from tools.serving import HOST, add_webhook, say

from .app import Server

SECRET = "CARRIER_WEBHOOK_SECRET"  # noqa: S105  its name


def main(arguments: list[str] | None = None) -> None:
    given = parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        store = Store(given.data)
        listening = socket.create_server((HOST, given.port))
    except (sqlite3.OperationalError, OSError) as error:
        raise SystemExit(f"fakecarrier cannot start: {error}") from error
    server = Server(store)
    if given.webhook:
        store.set("webhook_url", given.webhook)
        store.set("webhook_secret", given.webhook_secret)
    if given.collect_after is not None:
        store.set("collect_seconds", given.collect_after)
    with listening:
        server.depot.address = f"http://{HOST}:{listening.getsockname()[1]}"
        web.run_app(
            server.application(),
            sock=listening,
            access_log=None,  # a URL may hold what nobody should keep
            shutdown_timeout=1.0,
            print=lambda *_: say(f"fakecarrier listens at {server.depot.address}"),
        )
    store.close()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.fakecarrier",
        description="A stand-in for a parcel carrier to develop and test a shop against.",
        epilog="Bookings, faults and all that has happened are shown at the address it listens at.",
    )
    parser.add_argument("--port", type=int, default=0, help="0, the default: any free one")
    parser.add_argument("--data", required=True, metavar="FILE", help="SQLite; made if missing")
    add_webhook(parser, "where events are sent; is kept", "what they are signed with", SECRET)
    parser.add_argument("--collect-after", type=float, metavar="SECONDS",
                        help="from a release until the parcel is fetched; is kept")  # fmt: skip
    return serving.parse(parser, arguments, SECRET)


if __name__ == "__main__":
    main()
