"""`python -m tools.mailcatcher --smtp-port 1025 --port 8025 --data mail.sqlite3`: runs until it is
told to stop."""

import argparse
import asyncio
import logging
import signal
import socket
import sqlite3
from functools import partial

from aiohttp import web

from tools import serving
from tools.serving import HOST, add_webhook, listen, say

from .faults import Faults
from .smtp import Catcher, protocol
from .store import Store
from .web import Pages, Shop

SECRET = "MAIL_WEBHOOK_SECRET"  # noqa: S105  its name


def main(arguments: list[str] | None = None) -> None:
    given = parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's, which tells of each mail
    with listen("mailcatcher", given.smtp_port) as smtp, listen("mailcatcher", given.port) as http:
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
    add_webhook(parser, "who is told of bounces", "what that is signed with", SECRET)
    return serving.parse(parser, arguments, SECRET)


if __name__ == "__main__":
    main()
