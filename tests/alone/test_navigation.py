"""What the admin of some contexts offers."""

from sagaplatform.env import CONTEXTS
from sagaplatform.navigation import Item, sidebar, tabs


def titles(groups: list[Item]) -> dict[str, list[str]]:
    return {group["title"]: [each["title"] for each in group["items"]] for group in groups}


def test_the_sidebar_has_what_is_there() -> None:
    assert titles(sidebar(("inventory",))) == {
        "Stock": ["Stock", "Reservations", "Movements", "Arrivals", "Goods waited for"],
        "Messaging": [
            "Outboxes", "Saga logs", "Dead letters", "Barrier notes", "Operators' actions",
            "Schedule", "Intervals",
        ],
        "Users & flags": ["Users", "Groups", "Flags"],
    }  # fmt: skip


def test_where_one_context_is_missing_so_is_what_needs_all() -> None:
    whole, part = titles(sidebar(CONTEXTS)), titles(sidebar(CONTEXTS[:-1]))

    assert whole["Orders & sagas"] == [
        "Orders", "Returns", "Sagas", "Desk", "Approvals", "Conservation",
    ]  # fmt: skip
    assert part["Orders & sagas"] == ["Orders", "Returns"]
    assert whole["Users & flags"] == [*part["Users & flags"], "Audit"]


def test_there_is_a_tab_for_each_context_that_is_there() -> None:
    [first, *_] = tabs(("pricing", "sagas"))

    assert first["models"] == [
        "pricing.outboxmessage", "sagas.outboxmessage",
    ]  # fmt: skip
