"""`python -m tools.fakestripe --port 8300 --data stripe.sqlite3`: runs until it is told to stop."""

import argparse
import logging
import sqlite3

from aiohttp import web

from tools import serving
from tools.serving import HOST, add_webhook, listen, say

from .app import application
from .gateway import Gateway
from .store import Store

SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105  its name


def main(arguments: list[str] | None = None) -> None:
    given = parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    store = open_store(given.data)
    gateway = Gateway(store)
    if given.webhook:
        store.set("webhook_url", given.webhook)
        store.set("webhook_secret", given.webhook_secret)
    with listen("fakestripe", given.port) as listening:
        gateway.listens_at(f"http://{HOST}:{listening.getsockname()[1]}")
        web.run_app(
            application(gateway),
            sock=listening,
            access_log=None,  # a URL may hold what nobody should keep
            shutdown_timeout=1.0,
            print=lambda *_: say(f"fakestripe listens at {gateway.address}"),
        )
    store.close()


def open_store(path: str) -> Store:
    """The data of this server, or an end that says why not."""
    try:
        return Store(path)
    except sqlite3.OperationalError as error:
        raise SystemExit(f"fakestripe cannot use {path}: {error}") from error


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.fakestripe",
        description="A stand-in for Stripe to develop and test a shop against.",
        epilog="Payments, faults and all that has happened are shown at the address it listens at.",
    )
    parser.add_argument("--port", type=int, default=0, help="0, the default: any free one")
    parser.add_argument("--data", required=True, metavar="FILE", help="SQLite; made if missing")
    add_webhook(parser, "where events are sent; is kept", "what they are signed with", SECRET)
    return serving.parse(parser, arguments, SECRET)


if __name__ == "__main__":
    main()
