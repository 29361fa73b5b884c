"""What the servers here have in common: where they listen, and how they are told of webhooks."""

import argparse
import os
import socket
import sys

HOST = "127.0.0.1"


def listen(name: str, port: int) -> socket.socket:
    """The port that a server answers at, or an end that says why not."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise SystemExit(f"{name} cannot listen at {HOST}:{port}: {error}") from error


def say(line: str) -> None:
    """Tell whoever has started the server, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def add_webhook(parser: argparse.ArgumentParser, told: str, secret: str, variable: str) -> None:
    """Who is told, and what that is signed with: as an option, which others on the machine can
    read, or by a variable of the environment."""
    parser.add_argument("--webhook", metavar="URL", help=told)
    parser.add_argument(
        "--webhook-secret",
        metavar="SECRET",
        default=os.environ.get(variable, ""),
        help=f"{secret}; by default {variable} of the environment",
    )


def parse(
    parser: argparse.ArgumentParser, arguments: list[str] | None, variable: str
) -> argparse.Namespace:
    """What is given. A webhook needs a secret."""
    given = parser.parse_args(arguments)
    if given.webhook and not given.webhook_secret:
        parser.error(f"--webhook needs --webhook-secret, or {variable} in the environment")
    return given
