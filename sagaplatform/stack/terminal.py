"""What the user sees: plain lines, with the time that each step took."""

import contextlib
import io
import sys
import time
from collections.abc import Iterator


def prepare() -> None:
    """Letters that the terminal's encoding lacks become `?`, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(text: str = "", end: str = "\n") -> None:
    """Print; a terminal that has gone away is no reason to leave processes behind."""
    with contextlib.suppress(OSError, ValueError):
        print(text, end=end, flush=True)


def complain(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """`text … ok 1.2 s` around a piece of work."""
    say(f"  {text} … ", end="")
    began = time.monotonic()
    try:
        yield
    except BaseException:
        say("no")
        raise
    say(f"ok {time.monotonic() - began:.1f} s")
