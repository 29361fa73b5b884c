"""What breaks in the middle of a demonstration breaks once, and only what is there."""

from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sagaplatform.shop import breaking
from sagaplatform.shop.breaking import AtHalf, broker
from sagaplatform.stack.layout import Layout
from tests.threads import at_once


class Counts:
    """A progress that only counts."""

    def __init__(self) -> None:
        self.told = {"placed": 0, "ended": 0}

    def placed(self) -> None:
        self.told["placed"] += 1

    def ended(self) -> None:
        self.told["ended"] += 1


@pytest.mark.parametrize(("total", "half"), [(1, 1), (5, 3), (6, 3)])
def test_it_is_done_when_half_of_the_orders_are_placed(total: int, half: int) -> None:
    counts, when = Counts(), list[int]()
    progress = AtHalf(counts, total, lambda: when.append(counts.told["placed"]))
    for _ in range(total):
        progress.placed()
        progress.ended()
    assert when == [half]
    assert counts.told == {"placed": total, "ended": total}


def test_many_threads_do_it_once() -> None:
    acts: list[None] = []
    progress = AtHalf(Counts(), 80, lambda: acts.append(None))

    def place() -> None:
        for _ in range(10):
            progress.placed()

    at_once(*[place] * 8)
    assert len(acts) == 1


@pytest.mark.parametrize("number", ["0", "2", "7", "x", "²", "4" * 5000])
def test_a_broker_that_there_is_not_going_to_be_is_told_before_anything_starts(
    number: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(breaking, "_layout", lambda: Layout(root=tmp_path, home=tmp_path))
    monkeypatch.delenv("BROKERS", raising=False)
    with pytest.raises(CommandError, match="there is only broker 1"):
        call_command("demo", "--kill-broker", number, "--help")

    monkeypatch.setenv("BROKERS", "3")
    assert broker("3") == 3
    with pytest.raises(ArgumentTypeError, match="there are the brokers 1 to 3"):
        broker("4")


def test_a_broker_that_is_not_there_is_told_before_anything_is_begun() -> None:
    with pytest.raises(CommandError, match="No such broker runs on this machine"):
        call_command("demo", kill_broker=9)
