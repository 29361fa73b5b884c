"""A process in which many threads read types for the first time, all at once: run by itself, for it
dies where that is not safe."""

import sys
import threading
from types import ModuleType
from typing import Any

from apps.contracts.reading import read

DEPTH = 40
THREADS = 16
ROUNDS = 40
DOCUMENT = b'{"inner": [{"inner": [{"text": "x"}]}]}'
STRUCT = """
class S{n}(msgspec.Struct, frozen=True):
    text: str = ""
    number: "int | None" = None
    inner: "tuple[{inner}, ...]" = ()
"""


def new_types() -> Any:
    """A struct that nobody has read yet, with others in it."""
    module = ModuleType("new_types")
    sys.modules["new_types"] = module
    source = "import msgspec\n" + "".join(
        STRUCT.format(n=n, inner=f"S{n - 1}" if n else "int") for n in range(DEPTH)
    )
    exec(source, module.__dict__)
    return getattr(module, f"S{DEPTH - 1}")


def main() -> None:
    sys.setswitchinterval(1e-6)
    for _ in range(ROUNDS):
        wanted, together = new_types(), threading.Barrier(THREADS)

        def work(wanted: Any = wanted, together: threading.Barrier = together) -> None:
            together.wait()
            assert read(DOCUMENT, wanted).inner[0].inner[0].text == "x"

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()


if __name__ == "__main__":
    main()
