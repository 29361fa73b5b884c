"""The timeline: bars, marks and their places on the axis."""

from apps.sagas.admin.history import History, Point
from apps.sagas.admin.timeline import (
    BARRIER,
    HAND,
    NARROWEST,
    Timeline,
    entries_of,
    timeline_of,
)
from tests.admin.telling import answer, at, backward, event, forward, move, told


def drawn(history: History, *points: Point) -> Timeline:
    return timeline_of(history, entries_of(history, points))


def bars(timeline: Timeline) -> list[tuple[str, str, str, str]]:
    return [(row.title, *row.bar) for row in timeline.rows if row.bar]


def test_a_short_saga_is_drawn_to_scale() -> None:
    done = [answer("create_order", 0, 0), answer("reserve_stock", 0, 1)]
    refused = answer("freeze_price", 1, 3, "refused")
    undone = backward(3, "reserve_stock")
    timeline = drawn(told(*done, refused, *undone, now=99, ended=4, status="undone"))

    assert bars(timeline) == [
        ("create order", "0.00%", "0.60%", "do"),
        ("reserve stock", "0.00%", "25.00%", "do"),
        ("freeze price", "25.00%", "50.00%", "refused"),
        ("undo reserve stock", "75.00%", "25.00%", "undo"),
    ]
    assert [tick[:2] for tick in timeline.ticks] == [
        ("0.00%", "+0 ms"), ("25.00%", "+1.0 s"), ("50.00%", "+2.0 s"), ("75.00%", "+3.0 s"),
        ("100.00%", "+4.0 s"),
    ]  # fmt: skip
    assert timeline.to_scale
    assert timeline.bars == [("do", "step"), ("undo", "compensation"), ("refused", "refused")]
    assert timeline.marks == []


def test_a_pending_request_grows_until_now() -> None:
    pending = ("reserve_stock", "do", 1.0)
    timeline = drawn(told(*forward("create_order"), now=4, pending=pending, due_at=at(11)))

    assert bars(timeline)[-1] == ("reserve stock", "25.00%", "75.00%", "pending")
    assert timeline.rows[-1].took == "3.0 s so far"
    assert timeline.rows[-1].said == (
        "reserve stock: asked 1.0 s after the start, pending, 3.0 s so far"
    )
    assert timeline.lines == []  # it would make the axis more than twice as long


def test_the_next_sending_and_the_deadline_are_lines_when_they_are_near() -> None:
    pending = ("reserve_stock", "do", 1.0)
    history = told(
        *forward("create_order"), now=4, pending=pending, due_at=at(6), deadline_at=at(8)
    )
    timeline = drawn(history)

    assert [tuple(each) for each in timeline.lines] == [
        ("75.00%", "sending", "next sending"),
        ("100.00%", "deadline", "deadline"),
    ]


def test_a_paused_saga_waits_for_the_end_of_its_pause() -> None:
    pending = ("reserve_stock", "do", 1.0)
    history = told(
        *forward("create_order"), now=4, pending=pending, due_at=at(6), paused_until=at(8)
    )

    assert [each.meaning for each in drawn(history).lines] == ["pause ends"]


def test_in_a_long_saga_short_steps_are_still_seen() -> None:
    quick = [answer("create_order", 0, 0.01), answer("reserve_stock", 0.01, 0.02)]
    pending = ("freeze_price", "do", 0.02)
    timeline = drawn(told(*quick, now=7200, pending=pending, due_at=at(99999)))

    widths = [float(width.rstrip("%")) for _, _, width, _ in bars(timeline)]
    assert not timeline.to_scale
    assert widths[0] > 10 * NARROWEST
    assert widths[2] > widths[0]
    assert [row.took for row in timeline.rows] == ["10 ms", "10 ms", "2 h 0 min so far"]


def test_what_is_sent_again_is_marked_on_its_bar() -> None:
    pending = ("reserve_stock", "do", 0.0)
    again = event("sent_again", "reserve_stock", 5, "Sending 2")
    timeline = drawn(told(now=10, pending=pending, attempt=2, events=[again]))

    [row] = timeline.rows
    assert [tuple(each) for each in row.marks] == [("50.00%", "again", "sent again. Sending 2")]
    assert timeline.marks == [("again", "sent again")]


def test_a_mark_stands_by_the_request_that_it_is_about() -> None:
    """The last one of its step and action that was asked by then."""
    refused = answer("reserve_stock", 1, 2, "refused")
    again = answer("reserve_stock", 4, 6, generation=2)
    history = told(
        *forward("create_order"), refused, again, now=10, ended=8, status="confirmed",
        events=[event("retried", "reserve_stock", 5)], moves=[move("retry", "reserve_stock", 3)],
    )  # fmt: skip
    late = Point(at(7), BARRIER, "reserve_stock", "undo", "late in inventory", "It came too late")
    timeline = drawn(history, late)

    assert [(row.title, [mark.kind for mark in row.marks]) for row in timeline.rows] == [
        ("the saga", ["barrier"]),
        ("create order", []),
        ("reserve stock", ["hand"]),
        ("reserve stock (generation 2)", ["again"]),
    ]


def test_what_stands_on_the_desk_is_open_since_it_was_first_told_of() -> None:
    desk = [{"step": "reserve_stock", "generation": 1, "attempt": 5}]
    history = told(
        *forward("create_order"), now=10, status="stuck", cause_step="freeze_price",
        detours={"desk": desk}, events=[event("stuck", "reserve_stock", 6, action="undo")],
    )  # fmt: skip

    assert bars(drawn(history))[-1] == ("undo reserve stock", "60.00%", "40.00%", "desk")
    assert drawn(history).rows[-1].status == "on the desk"


def test_all_that_happened_is_told_in_the_order_of_time() -> None:
    history = told(
        answer("create_order", 0, 1, type="OrderCreated"), now=10,
        pending=("reserve_stock", "do", 1.0),
        events=[event("sent_again", "reserve_stock", 3, "Sending 2")],
        moves=[move("pause", "", 4)],
    )  # fmt: skip
    point = Point(at(2), HAND, "reserve_stock", "", "discard in inventory by ada", "a test: done")

    told_of = [(each.what, each.text) for each in entries_of(history, [point])]
    assert told_of == [
        ("done", "OrderCreated"),
        ("discard in inventory by ada", "a test: done"),
        ("sent again", "Sending 2"),
        ("pause by olga", "it had to be: so it is"),
    ]


def test_a_saga_of_one_moment_has_an_axis() -> None:
    timeline = drawn(told(answer("create_order", 0, 0), now=0, ended=0, status="confirmed"))

    assert bars(timeline) == [("create order", "0.00%", "0.60%", "do")]
    assert {text for _, text, _ in timeline.ticks} == {"+0 ms"}
