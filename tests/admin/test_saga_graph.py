"""The plan as boxes: where each step and each compensation stands."""

import re

import pytest

from apps.sagas.admin.graph import ICONS, Standing, nodes_of
from apps.sagas.admin.history import History
from tests.admin.telling import answer, at, backward, forward, told
from tests.sagas.scenarios import PLAIN, WRAPPED

BEFORE = ("create_order", "reserve_stock", "freeze_price", "authorize_payment")


def boxes(history: History) -> list[tuple[str, str, str]]:
    """Step, where it stands, where its compensation stands."""
    return [
        (node.step, node.forward.standing.value, node.back.standing.value if node.back else "")
        for node in nodes_of(history)
    ]


def note(history: History, step: str) -> str:
    """What the box of a step says beside where it stands, and that of its compensation."""
    [node] = [each for each in nodes_of(history) if each.step == step]
    shown = f"{node.forward.note} | {node.back.note if node.back else ''}"
    return re.sub(r"<[^>]+>", "", shown)


def test_a_running_saga_has_steps_behind_it_and_before_it() -> None:
    pending = ("create_shipment", "do", 4.0)
    history = told(*forward(*BEFORE), now=6, pending=pending, attempt=2, due_at=at(20))

    assert boxes(history) == [
        ("create_order", "done", "can be undone"),
        ("reserve_stock", "done", "can be undone"),
        ("freeze_price", "done", "can be undone"),
        ("authorize_payment", "done", "can be undone"),
        ("create_shipment", "pending", ""),
        ("capture_payment", "waiting", ""),
        ("confirm_order", "waiting", ""),
        ("send_confirmation", "waiting", ""),
    ]
    assert note(history, "create_shipment") == "sending 2 of 5, again at 03:04:25.000 | "
    assert note(history, "reserve_stock") == "1.0 s | "


def test_only_the_pivot_is_the_point_of_no_return_and_each_step_names_its_service() -> None:
    nodes = nodes_of(told(now=0, pending=("create_order", "do", 0.0)))

    assert [each.step for each in nodes if each.pivot] == ["capture_payment"]
    assert [each.service for each in nodes] == [
        "orders", "inventory", "pricing", "payments", "shipping", "payments", "orders",
        "notifications",
    ]  # fmt: skip


def test_past_the_pivot_nothing_can_be_undone() -> None:
    done = (*BEFORE, "create_shipment", "capture_payment")
    history = told(*forward(*done), now=7, pending=("confirm_order", "do", 6.0))

    assert {back for _, _, back in boxes(history)} == {""}


def test_a_refused_saga_is_undone_in_reverse() -> None:
    refused = answer("create_shipment", 4, 5, "refused")
    undone = backward(5, "authorize_payment")
    history = told(
        *forward(*BEFORE), refused, *undone, now=6.5, status="compensating",
        cause_step="create_shipment", pending=("freeze_price", "undo", 6.0),
    )  # fmt: skip

    assert boxes(history) == [
        ("create_order", "done", "to be undone"),
        ("reserve_stock", "done", "to be undone"),
        ("freeze_price", "done", "pending"),
        ("authorize_payment", "done", "undone"),
        ("create_shipment", "refused", ""),
        ("capture_payment", "not reached", ""),
        ("confirm_order", "not reached", ""),
        ("send_confirmation", "not reached", ""),
    ]


def test_what_stands_on_the_desk_says_when_it_is_asked_again() -> None:
    desk = [{"step": "authorize_payment", "generation": 1, "attempt": 5}]
    history = told(
        *forward(*BEFORE), now=9, status="stuck", cause_step="create_shipment",
        detours={"desk": desk}, desk_due_at=at(300),
    )  # fmt: skip

    assert ("authorize_payment", "done", "on the desk") in boxes(history)
    assert note(history, "authorize_payment") == "1.0 s | sending 5, again at 03:09:05.000"


def test_what_was_refused_for_good_is_not_asked_again() -> None:
    desk = [{"step": "authorize_payment", "generation": 1, "attempt": 1, "refused": True}]
    history = told(
        *forward(*BEFORE), now=9, status="stuck", cause_step="create_shipment",
        detours={"desk": desk}, desk_due_at=at(300),
    )  # fmt: skip

    assert note(history, "authorize_payment") == "1.0 s | refused for good"


def test_a_step_that_gave_no_answer_is_neither_done_nor_not_reached() -> None:
    history = told(
        *forward("create_order"), now=90, status="compensating", cause_step="reserve_stock",
        pending=("reserve_stock", "undo", 80.0),
    )  # fmt: skip

    assert boxes(history)[:3] == [
        ("create_order", "done", "to be undone"),
        ("reserve_stock", "no answer", "pending"),
        ("freeze_price", "not reached", ""),
    ]


def test_a_step_that_was_skipped_says_so() -> None:
    undo = answer("wrap_gift", 5, 6, "nothing_to_undo", action="undo")
    history = told(
        *forward(*BEFORE), undo, now=7, plan=WRAPPED.to_header(),
        detours={"skipped": ["wrap_gift"]}, pending=("create_shipment", "do", 6.0),
    )  # fmt: skip

    assert ("wrap_gift", "skipped", "nothing to undo") in boxes(history)


def test_a_pivot_that_is_stuck_stands_on_the_desk() -> None:
    done = (*BEFORE, "create_shipment")
    history = told(
        *forward(*done), now=900, status="stuck", pending=("capture_payment", "do", 5.0),
        attempt=6, due_at=at(1200),
    )  # fmt: skip

    assert boxes(history)[5:7] == [
        ("capture_payment", "on the desk", ""),
        ("confirm_order", "waiting", ""),
    ]
    assert note(history, "capture_payment") == "sending 6, again at 03:24:05.000 | "


def test_a_pivot_that_is_fenced_will_never_happen() -> None:
    done = (*BEFORE, "create_shipment")
    asked = told(
        *forward(*done), now=7, status="fencing", pending=("capture_payment", "fence", 6.0),
        due_at=at(96),
    )  # fmt: skip
    fenced = answer("capture_payment", 6, 8, action="fence")
    known = told(
        *forward(*done), fenced, now=9, status="compensating", cause_step="capture_payment",
        pending=("create_shipment", "undo", 8.0),
    )  # fmt: skip

    sending = "did it happen? sending 1 of 5, again at 03:05:41.000 | "
    assert note(asked, "capture_payment") == sending
    assert ("capture_payment", "will never happen", "") in boxes(known)


def test_a_refusal_that_waits_for_a_decision_says_until_when() -> None:
    refused = answer("reserve_stock", 1, 2, "refused")
    history = told(
        *forward("create_order"), refused, now=3, status="awaiting_decision",
        cause_step="reserve_stock", pending=("reserve_stock", "do", 1.0), due_at=at(600),
    )  # fmt: skip

    assert boxes(history)[:3] == [
        ("create_order", "done", "can be undone"),
        ("reserve_stock", "decision awaited", ""),
        ("freeze_price", "waiting", ""),
    ]
    assert note(history, "reserve_stock") == "until 03:14:05.000 | "


def test_a_paused_saga_says_until_when() -> None:
    pending = ("reserve_stock", "do", 1.0)
    history = told(*forward("create_order"), now=3, pending=pending, paused_until=at(60))

    assert note(history, "reserve_stock") == "paused until 03:05:05.000 | "


def test_a_plan_that_no_live_definition_knows_is_shown_by_its_names() -> None:
    header = PLAIN.to_header().replace("place_order/1/", "place_order/99/")
    assert header != PLAIN.to_header()
    history = told(*forward("create_order"), now=2, plan=header, pending=("reserve_stock", "do", 1))

    assert boxes(history)[:3] == [
        ("create_order", "done", ""),
        ("reserve_stock", "pending", ""),
        ("freeze_price", "waiting", ""),
    ]
    assert {each.service for each in nodes_of(history)} == {""}


@pytest.mark.parametrize("standing", list(Standing))
def test_every_standing_has_an_icon_of_its_own(standing: Standing) -> None:
    others = {icon for each, icon in ICONS.items() if each is not standing}
    assert ICONS[standing] not in others
