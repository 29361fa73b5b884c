"""Mails to customers: what they say, and that each is sent once, whatever the server does."""

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.inventory import StockReservationFailed
from apps.contracts.notifications import (
    CancellationSent,
    ConfirmationSent,
    Delivery,
    ReturnNoticeSent,
)
from apps.contracts.orders import CancellationBegun, OrderCancelled
from apps.contracts.payments import PaymentReturned
from apps.contracts.sagas import CancelAccepted
from apps.contracts.shipping import ShipmentHandedOver
from apps.contracts.steps import StepWaits
from apps.contracts.values import RefundTo
from apps.messaging import dispatching
from apps.messaging.calls import work
from apps.notifications import post as sending
from apps.notifications import waiting
from apps.notifications.models import Channel
from apps.notifications.post import deliver_due
from tests.notifications.post import ANNA, EMAIL, Post, Way
from tests.threads import at_once

HANDED_OVER = ShipmentHandedOver(carrier="Fast & Sons", reference="P-1")
UNDONE = OrderCancelled()
REFUSAL = "Gift wrap holds at most 3 pieces, the order has 5"


def sent(delivery: Delivery) -> list[Event]:
    return [ConfirmationSent(delivery=delivery)]


# --- what they say


def refuse(post: Post) -> None:
    from apps.contracts.shipping import GiftWrapUnavailable

    why = GiftWrapUnavailable(pieces=5, most_pieces=3)
    post.hear(post.created(), why, OrderCancelled(order_id=post.order_id))


def give_back(post: Post) -> None:
    begun = CancellationBegun(
        order_id=post.order_id, customer_id=ANNA, placed_by=uuid7(), currency="EUR",
        total_cents=12_05,
    )  # fmt: skip
    post.hear(begun, PaymentReturned(amount_cents=12_05))


SAID = {
    "confirmed": (
        Post.confirm,
        "Your order is confirmed",
        ("Thank you. Your order is confirmed, and 12.05 EUR is paid.",
         "We hand it over to the carrier, and write again when it is on its way."),
    ),
    "cancelled": (
        Post.cancel,
        "Your order is cancelled",
        ("As you wished, your order is cancelled.",
         "What you paid, 12.05 EUR, is given back the way you paid it."),
    ),
    "refused": (
        refuse,
        "Your order could not be carried out",
        (f"We are sorry: your order could not be carried out, and is undone. {REFUSAL}.",
         "You pay nothing: what was set aside or taken for it is yours again."),
    ),
    "shipped": (
        lambda post: post.hear(post.created(), HANDED_OVER),
        "Your order is on its way",
        ("Fast & Sons has your parcel P-1.",
         "It is brought to the address that you gave with your order."),
    ),
    "refunded": (
        give_back,
        "Your money is on its way back",
        ("We have given back 12.05 EUR, the way you paid it.",
         "Store credit is there at once."),
    ),
    "returned": (
        Post.come_back,
        "Your return has arrived",
        ("Thank you. What you sent back is here: 12.05 EUR is given back the way you paid it.",
         "Store credit is there at once."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAID)
def test_each_kind_says_what_happened_and_what_happens_next(post: Post, kind: str) -> None:
    happens, subject, lines = SAID[kind]
    post.contact()
    happens(post)
    post.work()

    [mail] = post.mails()
    assert (mail["recipient"], mail["sender"]) == (EMAIL, "shop@shop.example")
    assert mail["subject"] == f"{subject} ({post.number})"
    about = post.saga_id if kind == "returned" else post.order_id
    assert mail["message_id"] == f"<{kind}.{about}@shop.example>"
    link = f"https://shop.example/orders/{post.order_id}"
    for line in (subject, f"Order {post.number}", *lines, link):
        assert line in mail["text"]
        assert line.replace("&", "&amp;") in mail["html"]
    assert [each for each, _ in post.inbox()] == [kind]
    assert post.ways() == [Way("email", "sent", "250", 1)]


def test_each_return_of_an_order_is_told_once_and_waits_for_its_own_mail(post: Post) -> None:
    post.contact()
    post.come_back()
    post.come_back()
    post.come_back(uuid7(), RefundTo.CREDIT)
    assert post.told() == []  # both wait

    post.work()

    assert post.told() == [ReturnNoticeSent(delivery=Delivery.DELIVERED)] * 2
    assert [each for each, _ in post.inbox()] == ["returned"] * 2
    one, two = sorted(each["text"] for each in post.mails())
    assert ("as store credit" in one, "the way you paid it" in two) == (True, True)
    assert len({each["message_id"] for each in post.mails()}) == 2


def test_a_mail_that_is_on_its_way_holds_up_its_own_return_alone(post: Post) -> None:
    post.contact()
    post.come_back()
    post.come_back(uuid7())
    post.owner.execute(
        "UPDATE notifications_dispatch SET due_at = now() + interval '1 hour' WHERE saga_id = %s",
        [post.saga_id],
    )
    post.work()

    sent = [each for each in post.told() if isinstance(each, ReturnNoticeSent)]
    assert sent == [ReturnNoticeSent(delivery=Delivery.DELIVERED)]


def test_what_others_say_is_text_and_no_html(post: Post) -> None:
    post.contact()
    post.hear(post.created(), ShipmentHandedOver(carrier="<script>x</script>", reference="<b>"))
    post.work()

    [mail] = post.mails()
    assert "<script>x</script> has your parcel <b>." in mail["text"]
    assert "&lt;script&gt;x&lt;/script&gt; has your parcel &lt;b&gt;." in mail["html"]
    assert "<script" not in mail["html"]


def test_without_a_page_of_the_order_there_is_no_link(post: Post, settings: Settings) -> None:
    settings.ORDER_URL = ""
    post.contact()
    post.confirm()
    post.work()
    [mail] = post.mails()
    assert "See your order" not in mail["text"] + mail["html"]


# --- steps


def test_without_a_contact_the_step_answers_at_once(post: Post) -> None:
    post.confirm()
    assert post.told() == sent(Delivery.DELIVERED)
    assert (post.log(), post.ways()) == ([("send_confirmation", "done")], [])


def test_with_a_contact_it_answers_when_the_mail_is_taken(post: Post) -> None:
    post.contact()
    post.confirm()
    assert (post.told(), post.log()) == ([], [("send_confirmation", "doing")])
    assert [kind for kind, _ in post.inbox()] == ["confirmed"]

    post.work()
    assert post.told() == sent(Delivery.DELIVERED)
    assert post.log() == [("send_confirmation", "done")]


def test_a_step_whose_mail_is_taken_is_woken_at_once(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[tuple[str, ...]] = []
    monkeypatch.setattr(waiting, "wake", lambda *whom: woken.append(whom))
    post.contact()
    post.confirm()
    work("notifications")  # it asks, and waits

    deliver_due()

    assert woken == [("notifications",)]


def test_a_cancellation_is_answered_as_one(post: Post) -> None:
    post.contact()
    post.cancel()
    post.work()
    assert post.told() == [CancellationSent(delivery=Delivery.DELIVERED)]


def test_a_command_that_comes_twice_sends_one_mail(post: Post) -> None:
    post.contact()
    post.confirm()
    post.confirm()
    post.work()
    post.confirm()
    post.work()
    assert len(post.mails()) == 1


def test_another_saga_of_the_order_sends_no_second_mail(post: Post) -> None:
    post.contact()
    post.confirm()
    post.work()
    post.confirm(uuid7())
    post.work()
    assert len(post.mails()) == 1
    assert post.told() == sent(Delivery.DELIVERED) * 2


def test_two_workers_send_each_mail_once(post: Post) -> None:
    post.contact()
    for _ in range(6):
        post.order_id = uuid7()
        post.confirm(uuid7())
    made = at_once(deliver_due, deliver_due)
    assert sum(made) == 6  # type: ignore[arg-type]
    assert len({mail["message_id"] for mail in post.mails()}) == len(post.mails()) == 6


# --- what the server does


@pytest.mark.parametrize(
    ("fault", "status", "code", "delivery"),
    [
        ("refuse", "refused", "550 5.1.1", Delivery.REFUSED),
        ("refuse_text", "refused", "554 5.7.1", Delivery.REFUSED),
        ("drop_after_data", "unknown", "SMTPServerDisconnected", Delivery.UNKNOWN),
    ],
)
def test_a_definite_outcome_is_told_and_nothing_is_sent_again(
    post: Post, fault: str, status: str, code: str, delivery: Delivery
) -> None:
    post.contact()
    post.server.fault(fault)
    post.confirm()
    for _ in range(2):
        post.work()
        post.time_passes()

    assert post.ways() == [Way("email", status, code, 1)]
    assert (post.told(), post.log()) == (sent(delivery), [("send_confirmation", "done")])
    assert len(post.mails()) == (fault == "drop_after_data")
    assert post.undeliverable() == (fault == "refuse")


@pytest.mark.parametrize(
    ("fault", "code"),
    [("greylist", "451 4.7.1"), ("drop_before_data", "SMTPServerDisconnected")],
)
def test_what_was_not_taken_is_sent_again_later(post: Post, fault: str, code: str) -> None:
    post.contact()
    post.server.fault(fault)
    post.confirm()
    post.work()
    assert post.ways() == [Way("email", "queued", code, 1)]
    post.work()
    assert post.mails() == []  # not before its time

    post.time_passes()
    post.work()
    assert post.ways() == [Way("email", "sent", "250", 2)]
    assert len(post.mails()) == 1
    assert post.told()[-1:] == sent(Delivery.DELIVERED)
    assert all(isinstance(each, StepWaits) for each in post.told()[:-1])


def test_a_server_that_is_away_is_asked_again(post: Post, settings: Settings) -> None:
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 9  # nobody listens there
    post.contact()
    post.confirm()
    post.work()
    assert post.ways() == [Way("email", "queued", "ConnectionRefusedError", 1)]

    settings.EMAIL_PORT = port
    post.time_passes()
    post.work()
    assert post.ways() == [Way("email", "sent", "250", 2)]


def test_an_order_does_not_wait_for_long_for_a_server(post: Post) -> None:
    post.contact()
    post.server.fault("greylist", times=2)
    post.confirm()
    post.work()
    post.owner.execute(
        "UPDATE notifications_intent SET called_at = now() - interval '11 minutes', due_at = now()"
    )
    work("notifications")
    assert post.told()[-1:] == sent(Delivery.DELAYED)
    assert post.log() == [("send_confirmation", "done")]

    for _ in range(2):
        post.time_passes()
        deliver_due()
    assert len(post.mails()) == 1  # it is sent all the same


def test_what_nobody_takes_for_a_day_is_given_up(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "GIVE_UP_AFTER", timedelta(0))
    post.contact()
    post.server.fault("greylist")
    post.confirm()
    post.work()
    assert post.ways() == [Way("email", "refused", "451 4.7.1", 1)]
    assert post.told() == sent(Delivery.REFUSED)


def test_a_slow_answer_is_an_answer(post: Post) -> None:
    post.contact()
    post.server.fault("slow", seconds=0.5)
    post.confirm()
    post.work()
    assert post.ways() == [Way("email", "sent", "250", 1)]


def test_a_server_that_answers_too_late_leaves_it_unknown(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.notifications.mail.SECONDS_IN_ALL", 0.5)
    post.contact()
    post.server.fault("slow", seconds=30)
    post.confirm()
    post.work()
    assert post.ways() == [Way("email", "unknown", "SMTPServerDisconnected", 1)]
    assert len(post.mails()) == 1


def test_a_worker_that_dies_with_the_answer_leaves_it_unknown_and_unsent(post: Post) -> None:
    post.contact()
    post.confirm()
    post.work_and_die()
    assert post.ways() == [Way("email", "sending", "", 1)]
    post.work()
    assert post.ways() == [Way("email", "sending", "", 1)]  # it may be at it yet
    assert [type(each) for each in post.told()] == [StepWaits]

    for _ in range(2):
        post.time_passes()
        post.work()
    assert post.ways() == [Way("email", "unknown", "nobody told what became of it", 1)]
    assert post.told()[1:] == sent(Delivery.UNKNOWN)
    assert len(post.mails()) == 1


def test_a_worker_that_was_only_slow_can_still_tell(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease ran out while it was sending."""
    record = sending.record

    def too_late(database, *told) -> None:  # type: ignore[no-untyped-def]
        post.time_passes()
        sending.give_lost_up(database)
        assert post.ways()[0].status == "unknown"
        record(database, *told)

    monkeypatch.setattr(sending, "record", too_late)
    post.contact()
    post.confirm()
    post.work()
    assert post.ways() == [Way("email", "sent", "250", 1)]
    assert post.told() == sent(Delivery.DELIVERED)


def test_a_worker_that_is_asked_to_stop_begins_no_further_mail(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_mail = sending.WAYS[Channel.EMAIL]

    def stop_and_send(mail: Any) -> Any:
        dispatching.stop()
        return by_mail.send(mail)

    monkeypatch.setattr(dispatching, "_stopping", threading.Event())
    monkeypatch.setitem(sending.WAYS, Channel.EMAIL, by_mail._replace(send=stop_and_send))
    post.contact()
    post.confirm()
    post.cancel()
    post.come_back()
    assert deliver_due() == 1
    assert sorted(way.status for way in post.ways()) == ["queued", "queued", "sent"]


def test_a_mail_that_cannot_be_made_is_not_called_sent(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(letter: object) -> None:
        raise ValueError(EMAIL)

    by_mail = sending.WAYS[Channel.EMAIL]._replace(prepare=broken)
    monkeypatch.setitem(sending.WAYS, Channel.EMAIL, by_mail)
    post.contact()
    post.confirm()
    post.work()
    assert post.ways() == [Way("email", "queued", "ValueError", 1)]


def test_an_address_that_was_taken_away_gets_nothing(post: Post) -> None:
    post.contact()
    post.confirm()
    post.contact(email="")
    post.work()
    assert post.mails() == []
    assert post.told() == sent(Delivery.REFUSED)


# --- news, in whatever order they are heard


def test_news_are_told_once_in_whatever_order_they_are_heard(post: Post) -> None:
    post.contact()
    for event in (HANDED_OVER, HANDED_OVER, post.created(), HANDED_OVER, post.created()):
        post.hear(event)
    post.work()
    assert [mail["subject"] for mail in post.mails()] == [
        f"Your order is on its way ({post.number})"
    ]


def test_news_of_nobody_are_kept_until_it_is_known_whose_they_are(post: Post) -> None:
    post.contact()
    post.hear(HANDED_OVER)
    post.work()
    assert (post.mails(), post.inbox()) == ([], [])


def test_of_several_reasons_the_latest_counts_whichever_is_heard_first(post: Post) -> None:
    first, last = post.heard(StockReservationFailed(short=())), post.heard(CancelAccepted())
    from apps.messaging.batch import Batch

    for each in (last, first):
        Batch("notifications", [each]).carry_out()
    post.hear(post.created(), OrderCancelled(order_id=post.order_id))
    [(_, body)] = post.inbox()
    assert "You wished to cancel it." in body


def test_an_order_that_never_was_is_not_told_of(post: Post) -> None:
    post.hear(post.created(), OrderCancelled(nothing_to_undo=True))
    assert post.inbox() == []


def test_the_inbox_has_the_news_of_customers_without_a_contact_too(post: Post) -> None:
    refuse(post)
    assert post.inbox() == [
        ("refused", f"We are sorry: your order {post.number} could not be carried out, and is"
         f" undone. {REFUSAL}. You pay nothing: what was set aside or taken for it is yours"
         " again."),
    ]  # fmt: skip
    assert post.ways() == []


# --- nothing personal anywhere


@pytest.mark.parametrize("fault", ["", "refuse", "greylist", "refuse_text", "drop_after_data"])
def test_no_address_is_logged_told_or_kept_beside_the_contact(
    post: Post, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.DEBUG)
    if fault:
        post.server.fault(fault)
    post.contact(push_url=post.server.push_url + "?token=s3cret")
    post.confirm()
    post.work()

    kept = [
        str(post.owner.execute(f"SELECT {table} FROM {table}").fetchall())
        for table in (
            "notifications_dispatch", "notifications_intent", "notifications_customermessage",
            "notifications_outboxmessage", "notifications_sagalog",
        )
    ]  # fmt: skip
    everything = caplog.text + "".join(map(str, caplog.records)) + "".join(kept)
    assert str(post.order_id) in everything
    assert "mail.example" not in everything
    assert "s3cret" not in everything
