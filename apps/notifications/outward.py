"""Addresses that customers give us to post to: of the world outside, and never of our own network.

A name is looked up when the address is given, and again at each call, which is then made to the
very address that was looked at: a name can change in between.
"""

import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
LONGEST_URL = 2000
LOOK_UP_SECONDS = 5.0
# Ways by which an address of IPv6 stands for one of IPv4, which may be of our network: NAT64, 6to4.
DISGUISES = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")))


@dataclass
class NotOutward(ValueError):
    """We do not post there."""

    why: str  # for the customer

    def __str__(self) -> str:
        return self.why


class NotLookedUp(Exception):
    """Where a name leads cannot be told now; later it may be."""

    def __str__(self) -> str:
        return "The host could not be looked up. Try again later."


class Place(NamedTuple):
    """Where a call is made to."""

    address: str  # that the name was looked up to
    port: int
    host: str  # by its name, as certificates have it
    path: str  # with its query
    tls: bool


def place_of(url: str, *, on_this_machine: bool) -> Place:
    """Where an address leads to; of this machine only where that is allowed, as it is to
    developers, and then without TLS too. Raises NotOutward and NotLookedUp."""
    parts = _split(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = _port(parts) or (443 if tls else 80)
    found = _look_up(host, port)
    loopback = all(each.is_loopback for each in found)
    if not tls and not (on_this_machine and loopback):
        raise NotOutward("Must begin with https://.")
    if not (on_this_machine and loopback) and not all(map(is_outward, found)):
        raise NotOutward("Must lead to an address on the public internet.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(str(found[0]), port, host, path, tls)


def is_outward(address: IPAddress) -> bool:
    """Whether an address is one of the public internet, and nothing else in disguise."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_outward(address.ipv4_mapped)
        if any(address in each for each in DISGUISES):
            return False
    return address.is_global and not address.is_multicast


def _split(url: str) -> SplitResult:
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise NotOutward(f"Must be a URL of at most {LONGEST_URL} characters of ASCII, no blanks.")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise NotOutward("Must be a URL.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise NotOutward("Must be a URL that begins with https://.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise NotOutward("Must be a URL without a user, a password or a fragment.")
    return parts


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise NotOutward("Must be a URL with a port that there is.") from None


def _look_up(host: str, port: int) -> list[IPAddress]:
    pool = ThreadPoolExecutor(1)
    try:
        asked = pool.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = asked.result(LOOK_UP_SECONDS)
    except (OSError, UnicodeError) as error:
        if isinstance(error, UnicodeError) or error.errno == socket.EAI_NONAME:
            raise NotOutward("Must lead to a host that can be found.") from None
        raise NotLookedUp from None
    finally:
        pool.shutdown(wait=False)  # a look-up cannot be cut off
    return [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
