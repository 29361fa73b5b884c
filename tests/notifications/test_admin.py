"""The admin's lists of messages and contacts: addresses are masked, and shown to who may."""

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from uuid_utils.compat import uuid7

from apps.contracts.notifications import SendConfirmation
from apps.notifications import services
from apps.notifications.selectors import inbox
from tests.admin.people import logged_in, user_of
from tests.handling import ask
from tests.notifications.post import ANNA, EMAIL, Post, Way


@pytest.fixture
def agent(databases: dict[str, psycopg.Connection]) -> Client:
    """Logged in with all rights."""
    client = Client()
    client.force_login(User.objects.create_superuser("agent"))
    return client


def test_a_message_is_found_and_can_only_be_read(agent: Client) -> None:
    order_id = uuid7()
    ask(
        "notifications",
        SendConfirmation(order_id=order_id, customer_id=7, currency="EUR", total_cents=1_00),
    )
    page = f"/admin/notifications/customermessage/{inbox(7).get().id}"
    listed = agent.get("/admin/notifications/customermessage/", {"q": "7"})
    assert listed.status_code == 200
    assert f"{page}/change/" in listed.content.decode()
    assert agent.get(f"{page}/change/").status_code == 200
    assert agent.post(f"{page}/change/", {"subject": "x"}).status_code == 403
    assert agent.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert agent.get("/admin/notifications/customermessage/add/").status_code == 403


@pytest.fixture
def mail(post: Post) -> Post:
    """A mail of which nobody knows whether it was taken."""
    post.contact()
    post.server.fault("drop_after_data")
    post.confirm()
    post.work()
    return post


def page(post: Post, name: str) -> str:
    return reverse(f"admin:notifications_dispatch_{name}", args=[post.dispatch_id()])


def test_dispatches_are_found_by_their_state(mail: Post) -> None:
    client = logged_in(user_of("support"))
    listed = reverse("admin:notifications_dispatch_changelist")
    for query, found in (
        ({"status__exact": "unknown"}, True),
        ({"status__exact": "sent"}, False),
        ({"q": str(mail.order_id)}, True),
        ({"q": str(mail.saga_id), "channel__exact": "push"}, False),
    ):
        answer = client.get(listed, query)
        assert answer.status_code == 200
        assert (page(mail, "change") in answer.content.decode()) is found


def test_an_agent_sends_it_again_and_the_customer_can_tell_that_the_two_are_one(
    mail: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[tuple[str, ...]] = []
    monkeypatch.setattr(services, "wake", lambda *whom: woken.append(whom))
    client = logged_in(user_of("support"))
    form = {"version": 2, "choice": "", "reason": "She says that nothing came"}
    shown = client.get(page(mail, "resend")).content.decode()
    assert "Whether the customer has it, nobody knows: it may come twice." in shown
    assert client.post(page(mail, "resend"), form).status_code == 302
    assert mail.ways() == [Way("email", "queued", "", 1)]
    assert woken == [("notifications", "post")]
    assert "It is on its way already." in client.get(page(mail, "resend")).content.decode()

    mail.work()
    assert mail.ways() == [Way("email", "sent", "250", 2)]
    first, second = mail.mails()
    assert first["message_id"] == second["message_id"]
    assert len(mail.told()) == 1  # the order had its answer
    [action] = mail.owner.execute(
        "SELECT actor, operation, subject_id, reason, outcome FROM notifications_operatoraction"
    ).fetchall()
    assert action == ("support", "resend", mail.order_id, form["reason"], "unknown -> queued")


def test_to_an_address_that_is_not_there_nothing_is_sent_again(mail: Post) -> None:
    mail.contact(email="")
    form = {"version": 2, "choice": "", "reason": "She says that nothing came"}
    answer = logged_in(user_of("support")).post(page(mail, "resend"), form)
    assert answer.status_code == 409
    assert "The customer has no such address." in answer.content.decode()
    assert mail.ways()[0].status == "unknown"


def test_addresses_are_masked_and_revealed_to_who_may_with_a_reason(mail: Post) -> None:
    support = logged_in(user_of("support"))
    pages = [
        reverse("admin:notifications_contact_changelist"),
        reverse("admin:notifications_contact_change", args=[ANNA]),
        reverse("admin:notifications_dispatch_changelist"),
        page(mail, "change"),
        page(mail, "address"),
        reverse("admin:notifications_intent_changelist"),
    ]
    for each in pages:
        answer = support.get(each)
        assert answer.status_code == 200
        assert "mail.example" not in answer.content.decode()

    assert support.post(page(mail, "address"), {"reason": "-"}).status_code == 400
    auditor = logged_in(user_of("auditor"))
    assert auditor.post(page(mail, "address"), {"reason": "curious"}).status_code == 403
    count = "SELECT count(*) FROM notifications_operatoraction"
    assert mail.owner.execute(count).fetchone() == (0,)

    shown = support.post(page(mail, "address"), {"reason": "She asks where it went"})
    assert EMAIL in shown.content.decode()
    [action] = mail.owner.execute(
        "SELECT operation, reason, parameters::text FROM notifications_operatoraction"
    ).fetchall()
    assert action[:2] == ("reveal_contact", "She asks where it went")
    assert EMAIL not in action[2]
