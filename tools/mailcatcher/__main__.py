"""`python -m tools.mailcatcher --smtp-port 1025 --port 8025 --data mail.sqlite3`: runs until it is
told to stop."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sqlite3
import sys
from functools import partial

from aiohttp import web

from .faults import Faults
from .smtp import Catcher, protocol
from .store import Store
from .web import Pages, Shop

HOST = "127.0.0.1"
SECRET = "MAIL_WEBHOOK_SECRET"  # noqa: S105  its name


def main(arguments: list[str] | None = None) -> None:
    given = parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's, which tells of each mail
    with listen(given.smtp_port) as smtp, listen(given.port) as http:
        asyncio.run(serve(given, smtp, http))


async def serve(given: argparse.Namespace, smtp: socket.socket, http: socket.socket) -> None:
    """Both servers, until SIGTERM or Ctrl-C."""
    store, faults = open_store(given.data), Faults()
    shop = Shop(given.webhook, given.webhook_secret) if given.webhook else None
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    runner = web.AppRunner(Pages(store, faults, shop).application(), access_log=None)
    await runner.setup()
    await web.SockSite(runner, http, shutdown_timeout=1.0).start()
    mails = await loop.create_server(partial(protocol, Catcher(store, faults)), sock=smtp)
    say(f"mailcatcher takes mail at {port(smtp)} and shows it at http://{HOST}:{port(http)}")
    await stop.wait()
    mails.close()
    await runner.cleanup()
    store.close()


def listen(number: int) -> socket.socket:
    """A port that this server answers at, or an end that says why not."""
    try:
        return socket.create_server((HOST, number))
    except OSError as error:
        raise SystemExit(f"mailcatcher cannot listen at {HOST}:{number}: {error}") from error


def port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


def open_store(path: str) -> Store:
    """The data of this server, or an end that says why not."""
    try:
        return Store(path)
    except sqlite3.Error as error:
        raise SystemExit(f"mailcatcher cannot use {path}: {error}") from error


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.mailcatcher",
        description="A mail server to develop against: it delivers nothing, and shows what it got.",
    )
    parser.add_argument("--smtp-port", type=int, default=1025, help="0: any free one")
    parser.add_argument("--port", type=int, default=8025, help="of the page; 0: any free one")
    parser.add_argument("--data", required=True, metavar="FILE", help="SQLite; made if missing")
    parser.add_argument("--webhook", metavar="URL", help="who is told of bounces")
    parser.add_argument(
        "--webhook-secret",
        metavar="SECRET",
        default=os.environ.get(SECRET, ""),
        help=f"what that is signed with; by default {SECRET} of the environment",
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
