"""The README tells the truth."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def test_the_saga_in_the_readme_is_the_one_in_the_code() -> None:
    [excerpt] = re.findall(r"```python\n(PLACE_ORDER = .*?)```", README, re.DOTALL)
    assert excerpt in (ROOT / "apps/processes/place_order.py").read_text()


def test_every_make_target_in_the_readme_is_there() -> None:
    told = set(re.findall(r"`?make ([a-z]+)", README))
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert told
    assert told <= there
