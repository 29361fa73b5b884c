"""The README tells the truth; so does the how-to that shows a definition."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("page", "name", "file"),
    [
        ("README.md", "PLACE_ORDER", "place_order.py"),
        ("docs/howto/add-a-version.md", "PLACE_ORDER_2", "place_order_2.py"),
    ],
)
def test_a_definition_that_is_shown_is_the_one_in_the_code(page: str, name: str, file: str) -> None:
    [excerpt] = re.findall(rf"```python\n({name} = .*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert excerpt in (ROOT / "apps/processes" / file).read_text()


def test_every_make_target_in_the_readme_is_there() -> None:
    told = set(re.findall(r"`?make ([a-z]+)", README))
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert told
    assert told <= there
