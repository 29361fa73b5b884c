"""Ports on the loopback address: chosen once, kept, and checked before each start."""

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from sagaplatform.stack.errors import BadPort, PortTaken, SamePort
from sagaplatform.stack.files import read_json, write_private

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Port:
    variable: str
    first: int
    purpose: str


PORTS = {
    "web": Port("WEB_PORT", 8000, "the web pages"),
    "postgres": Port("POSTGRES_PORT", 5433, "PostgreSQL"),
    "kafka": Port("KAFKA_PORT", 9092, "Kafka"),
    "kafka_controller": Port("KAFKA_CONTROLLER_PORT", 19092, "Kafka's controller"),
    "gateway": Port("GATEWAY_PORT", 8350, "the stand-in for Stripe"),
    "carrier": Port("CARRIER_PORT", 8360, "the stand-in for a carrier"),
    "mail": Port("MAIL_PORT", 8025, "the page of caught mails"),
    "smtp": Port("SMTP_PORT", 1025, "the server that catches mails"),
    "kafka-2": Port("KAFKA_PORT_2", 9092, "Kafka's broker 2"),
    "kafka-2_controller": Port("KAFKA_CONTROLLER_PORT_2", 19092, "Kafka's controller 2"),
    "kafka-3": Port("KAFKA_PORT_3", 9092, "Kafka's broker 3"),
    "kafka-3_controller": Port("KAFKA_CONTROLLER_PORT_3", 19092, "Kafka's controller 3"),
}


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def first_free(start: int, avoid: Iterable[int] = ()) -> int:
    """The first free port from `start` upward."""
    taken = set(avoid)
    return next(port for port in range(start, 65_536) if port not in taken and is_free(port))


def choose(
    file: Path, environ: Mapping[str, str], names: Iterable[str] = tuple(PORTS)
) -> dict[str, int]:
    """The ports by name: from the environment, else as kept in `file`, else free ones."""
    kept = read_json(file)
    chosen: dict[str, int] = {}
    for name in names:
        port = PORTS[name]
        asked = _asked(port.variable, environ)
        first = port.first + _further(file)
        chosen[name] = asked or kept.get(name) or first_free(first, chosen.values())
    _require_different(chosen)
    return chosen


def _require_different(chosen: Mapping[str, int]) -> None:
    """Raise SamePort where two that are asked for, or kept, are one."""
    named: dict[int, str] = {}
    for name, number in chosen.items():
        variable = PORTS[name].variable
        other = named.setdefault(number, variable)
        if other != variable:
            raise SamePort(port=number, one=other, other=variable)


def _further(file: Path) -> int:
    """How much higher a stack in another home than .local begins to look, by its path: two that
    start at the same moment do not find the same port free."""
    return 0 if file.parent.name == ".local" else 100 + crc32(bytes(file)) % 80 * 10


def keep(file: Path, chosen: Mapping[str, int]) -> None:
    """Remember ports that turned out well, for the next start, beside those of other servers."""
    write_private(file, json.dumps(read_json(file) | dict(chosen), indent=1) + "\n")


def require_free(chosen: Mapping[str, int], names: Iterable[str], file: Path) -> None:
    """Raise PortTaken for the first of the named ports that a stranger holds."""
    for name in names:
        port = PORTS[name]
        if not is_free(chosen[name]):
            other = first_free(chosen[name] + 1, chosen.values())
            raise PortTaken(
                port=chosen[name],
                purpose=port.purpose,
                variable=port.variable,
                other=other,
                file=file,
            )


def _asked(variable: str, environ: Mapping[str, str]) -> int | None:
    value = environ.get(variable)
    if not value:
        return None
    if not value.isdigit() or not 0 < int(value) < 65_536:
        raise BadPort(variable=variable, value=value)
    return int(value)
