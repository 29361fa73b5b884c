"""The README has the tables that the code has, and its examples run."""

import re
from pathlib import Path

import stripe

from tools.fakestripe.bank import HOLD_SECONDS
from tools.fakestripe.cards import CARDS
from tools.fakestripe.client import Control, Server
from tools.fakestripe.faults import ApiFault, Operation, WebhookFault
from tools.fakestripe.objects import CURRENT_VERSION

README = (Path(__file__).parents[2] / "tools" / "fakestripe" / "README.md").read_text()


def first_cells(heading: str) -> list[str]:
    """What stands in code in the first column of a section's tables."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (.*?) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_every_payment_method_is_told() -> None:
    assert sorted(first_cells("Payment methods")) == sorted(CARDS)


def test_every_fault_is_told() -> None:
    webhook_faults = set(WebhookFault) - {WebhookFault.NONE}
    assert sorted(first_cells("Faults")) == sorted({*ApiFault, *webhook_faults})
    for operation in Operation:
        assert re.search(rf"\b{operation}\b", README)


def test_the_version_is_that_of_the_sdk() -> None:
    assert stripe.api_version == CURRENT_VERSION
    assert CURRENT_VERSION in README
    assert f"{HOLD_SECONDS}" in README


def test_the_examples_of_switches_run(control: Control) -> None:
    examples = re.findall(r"`(control\.\w+\(.*?\))` \|", README)
    assert len(examples) == 16
    for example in examples:
        eval(example, {"control": control})
    assert len(control.faults()) == 16


def test_the_example_of_a_payment_runs(server: Server) -> None:
    [example] = re.findall(r"```python\n(import stripe.*?)```", README, re.DOTALL)
    exec(example.replace("http://127.0.0.1:8350", server.address), {})
    assert server.control.ledger()["orders"] == {"42": {"held": 0, "captured": 1200, "refunded": 0}}
