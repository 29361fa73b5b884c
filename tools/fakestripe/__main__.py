"""`python -m tools.fakestripe --port 8300 --data stripe.sqlite3`: runs until it is told to stop."""

import argparse
import logging
import os
import socket
import sqlite3
import sys

from aiohttp import web

from .app import application
from .gateway import Gateway
from .store import Store

HOST = "127.0.0.1"
SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105  its name


def main(arguments: list[str] | None = None) -> None:
    given = parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    store = open_store(given.data)
    gateway = Gateway(store)
    if given.webhook:
        store.set("webhook_url", given.webhook)
        store.set("webhook_secret", given.webhook_secret)
    with listen(given.port) as listening:
        gateway.listens_at(f"http://{HOST}:{listening.getsockname()[1]}")
        web.run_app(
            application(gateway),
            sock=listening,
            access_log=None,  # a URL may hold what nobody should keep
            shutdown_timeout=1.0,
            print=lambda *_: say(f"fakestripe listens at {gateway.address}"),
        )
    store.close()


def listen(port: int) -> socket.socket:
    """The port that this server answers at, or an end that says why not."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise SystemExit(f"fakestripe cannot listen at {HOST}:{port}: {error}") from error


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
    parser.add_argument("--webhook", metavar="URL", help="where events are sent; is kept")
    parser.add_argument(
        "--webhook-secret",
        metavar="whsec_...",
        default=os.environ.get(SECRET, ""),
        help=f"what they are signed with; by default {SECRET} of the environment",
    )
    given = parser.parse_args(arguments)
    if given.webhook and not given.webhook_secret:
        parser.error(f"--webhook needs --webhook-secret, or {SECRET} in the environment")
    return given


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
