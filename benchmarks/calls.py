"""`python -m benchmarks.calls`: outside calls a second, to a provider that takes 50 ms for each.

On the test servers: `.venv/bin/python -m sagaplatform.stack run --test -- python -m
benchmarks.calls`. Its figures are in decision 0049.
"""

from importlib import import_module

from benchmarks.__main__ import set_up

if __name__ == "__main__":
    set_up()
    import_module("benchmarks.outside").run()
