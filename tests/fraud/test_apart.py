"""The step check_fraud came without a line in any other context, and can go so."""

from pathlib import Path

import pytest

from sagaplatform.env import CONTEXTS

APPS = Path(__file__).parent.parent.parent / "apps"
OTHERS = [*(each for each in CONTEXTS if each != "fraud"), "messaging"]


def files_that_name_it(folder: Path) -> list[str]:
    """Code that speaks of fraud, its step or its messages: each has the word in its name."""
    code = sorted(folder.rglob("*.py"))
    assert code
    return [str(each.relative_to(APPS)) for each in code if "fraud" in each.read_text().lower()]


@pytest.mark.parametrize("context", OTHERS)
def test_no_other_context_knows_of_it(context: str) -> None:
    assert files_that_name_it(APPS / context) == []


def test_those_who_put_the_contexts_together_do() -> None:
    """So the search finds what there is."""
    assert "processes/place_order_2.py" in files_that_name_it(APPS / "processes")
    assert "contracts/fraud.py" in files_that_name_it(APPS / "contracts")
