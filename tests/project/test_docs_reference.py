"""docs/reference is what the code says: each page is made again and compared."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from apps.contracts.catalogue import MESSAGES
from apps.contracts.payments import PaymentDeclined, RefundPayment
from apps.contracts.values import PricedLine
from sagaplatform.env import SETTINGS
from sagaplatform.reference.commands_page import our_commands
from sagaplatform.reference.markdown import table
from sagaplatform.reference.messages_page import Field, fields_of
from sagaplatform.reference.pages import FOLDER, PAGES

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    same = (FOLDER / name).read_text() == PAGES[name]()
    assert same, f"docs/reference/{name} is out of date; run: make docs"


def test_every_page_in_the_folder_is_made() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


def test_every_setting_is_told_once() -> None:
    told = re.findall(r"^\| `([A-Z_]+)` \|", PAGES["settings.md"](), re.MULTILINE)
    assert told == [each.name for each in SETTINGS]


def test_every_command_is_told() -> None:
    files = {
        path.stem
        for path in ROOT.glob("*/**/management/commands/*.py")
        if path.parts[len(ROOT.parts)] in ("apps", "sagaplatform") and path.stem != "__init__"
    }
    assert set(our_commands()) == files
    assert set(re.findall(r"^### (\w+)$", PAGES["commands.md"](), re.MULTILINE)) == files


def test_every_message_is_told_and_links_its_schema() -> None:
    page = PAGES["messages.md"]()
    schemas = re.findall(r"schemas/(\w+)\.v(\d+)\.json", page)
    assert {(name, int(version)) for name, version in schemas} == set(MESSAGES)
    assert len(schemas) == len(MESSAGES)


def test_a_message_tells_its_place_its_reader_and_its_fields() -> None:
    page = PAGES["messages.md"]()
    [refund] = re.findall(r"### RefundPayment\n\n(.*?)\n\n###", page, re.DOTALL)
    assert refund.splitlines() == [
        RefundPayment.__doc__,
        "",
        "compensation, answered by `PaymentRefunded`, version 1 · undo of"
        " `place_order.authorize_payment` · heard by `payments` ·"
        " [schema](../../tests/contracts/schemas/RefundPayment.v1.json)",
    ]
    assert fields_of(PaymentDeclined) == [
        Field("code", "DeclineCode", "", ""),
        Field("wanted_cents", "int", "", ""),
        Field(
            "available_cents", "int | None", "None", "None where there is nothing to compare with"
        ),
        Field("decline_code", "str", "''", "the bank's, of a card"),
    ]


def test_inherited_fields_come_first() -> None:
    assert [each.name for each in fields_of(PricedLine)] == [
        "product_id", "quantity", "unit_price_cents",
    ]  # fmt: skip


def test_every_metric_that_is_registered_is_told() -> None:
    told = re.findall(r"^\| `(\w+)` \|", PAGES["metrics.md"](), re.MULTILINE)
    foreign = ("python_", "process_", "django_model_", "django_migrations_", "django_db_")
    families = [each for each in REGISTRY.collect() if not each.name.startswith(foreign)]
    counted = {f"{x.name}_total" if x.type == "counter" else x.name for x in families}
    assert counted
    assert counted <= set(told)
    assert len(told) == len(set(told))


def test_a_table_leaves_out_what_says_nothing_and_keeps_bars_in_cells() -> None:
    assert table(("a", "b", "c"), [("1", "", "x | y"), ("2", "", "z")]) == (
        "| a | c |\n| --- | --- |\n| 1 | x \\| y |\n| 2 | z |"
    )
    assert table(("a",), []) == ""
