"""The step check_fraud came without a line in any other context, and can go so."""

import re
from pathlib import Path

import pytest

from sagaplatform.env import CONTEXTS

APPS = Path(__file__).parent.parent.parent / "apps"
ABOUT_FRAUD = re.compile(r"fraud(?!ulent)", re.IGNORECASE)
OTHERS = [*(each for each in CONTEXTS if each != "fraud"), "messaging"]


def files_that_name_it(folder: Path) -> list[str]:
    """Code that speaks of fraud, its step or its messages: each has the word in its name. A bank's
    code `fraudulent` is another matter."""
    code = sorted(folder.rglob("*.py"))
    assert code
    return [str(each.relative_to(APPS)) for each in code if ABOUT_FRAUD.search(each.read_text())]


@pytest.mark.parametrize("context", OTHERS)
def test_no_other_context_knows_of_it(context: str) -> None:
    assert files_that_name_it(APPS / context) == []


def test_those_who_put_the_contexts_together_do() -> None:
    """So the search finds what there is."""
    assert "processes/place_order_2.py" in files_that_name_it(APPS / "processes")
    assert "contracts/fraud.py" in files_that_name_it(APPS / "contracts")
