"""A process of the peer: `python -m benchmarks.peer_process SPEC`, see peer.py."""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Protocol

import django
import msgspec

from benchmarks.generator import say
from benchmarks.load import split

WARM_UP = 10  # sagas of each thread


class Told(msgspec.Struct):
    """When sagas started and ended, by ticket, on the machine's monotonic clock."""

    starts: dict[str, float]
    ends: dict[str, float]


class Buyer(Protocol):
    """One thread's customers."""

    def buy(self) -> str:
        """Carry out a saga; its ticket."""


def main(file: str) -> None:
    django.setup()
    saga = import_module("benchmarks.peer_saga")  # it needs Django
    spec = msgspec.json.decode(Path(file).read_bytes(), type=saga.Spec)
    shop = saga.Shop(spec)
    buyers = [shop.buyer(thread) for thread in range(spec.threads)]
    with ThreadPoolExecutor(spec.threads) as pool:
        carry_out(pool, buyers, [WARM_UP] * spec.threads)
        say("ready")
        sys.stdin.readline()
        told = carry_out(pool, buyers, split(spec.sagas, spec.threads))
    say(msgspec.json.encode(told).decode())
    shop.close()


def carry_out(pool: ThreadPoolExecutor, buyers: Sequence[Buyer], shares: Sequence[int]) -> Told:
    """Each thread carries out its share, one saga after the other."""
    told = Told({}, {})

    def work(buyer: Buyer, share: int) -> None:
        for _ in range(share):
            began = time.monotonic()
            ticket = buyer.buy()
            told.starts[ticket], told.ends[ticket] = began, time.monotonic()

    for done in pool.map(work, buyers, shares):
        assert done is None  # or it has raised
    return told


if __name__ == "__main__":
    main(*sys.argv[1:])
