"""Entry point; a missing package is a sentence here, not a traceback."""

import importlib
import sys


def main() -> int:
    try:
        cli = importlib.import_module("sagaplatform.stack.cli")
    except ModuleNotFoundError as missing:
        print(
            f"The Python package {missing.name} is not installed in {sys.prefix}. "
            "Start through make (`make up`), which installs what is needed.",
            file=sys.stderr,
        )
        return 1
    return int(cli.main())


if __name__ == "__main__":
    sys.exit(main())
