"""What the mail provider tells: mails that came back, signed."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from pytest_django import Settings
from uuid_utils.compat import uuid7

from apps.messaging.audit import Actor
from apps.messaging.signatures import sign
from apps.notifications import post as sending
from apps.notifications.models import Channel
from apps.notifications.services import send_again
from tests.notifications.post import Post, Way
from tools.mailcatcher.client import Server


@pytest.fixture
def post(post: Post) -> Post:
    """A mail was sent."""
    post.contact()
    post.confirm()
    post.work()
    assert post.ways() == [Way("email", "sent", "250", 1)]
    return post


def told(post: Post, **changes: Any) -> dict[str, Any]:
    [mail] = post.mails()
    return told_of(mail) | changes


def told_of(mail: dict[str, Any]) -> dict[str, Any]:
    at = "2026-11-27T08:00:00Z"
    return {"message_id": mail["message_id"], "kind": "bounced", "at": at, "reason": "550 5.1.1"}


def tell(body: object, *, secret: str = "of bounces", age: float = 0, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = {"Webhook-Signature": sign(raw, secret, time.time() - age), **headers}
    return Client().post("/webhooks/mail", raw, "application/json", headers=signed)


def test_a_mail_that_came_back_is_recorded_once_and_its_address_given_up(post: Post) -> None:
    answers = [tell(told(post)).json() for _ in range(2)]
    assert answers == [{"status": "recorded"}, {"status": "known"}]
    assert post.ways() == [Way("email", "bounced", "bounced 5.1.1", 1)]
    assert post.undeliverable()

    post.cancel()
    assert len(post.ways()) == 1  # no further mail
    post.contact(email="anna@new.example")
    assert not post.undeliverable()


@pytest.mark.parametrize(
    ("changes", "code", "given_up"),
    [
        ({"reason": "smtp; 452 4.2.2 <anna@mail.example> mailbox full"}, "bounced 4.2.2", False),
        ({"reason": "mx.x.example[5.9.12.7] said: 452 4.2.2 mailbox full"}, "bounced 4.2.2", False),
        ({"reason": "mx[4.31.198.44] said: 550 5.1.1"}, "bounced 5.1.1", True),
        ({"reason": "mx[10.4.2.2], Exim 4.98: 550-5.1.1."}, "bounced 5.1.1", True),
        ({"kind": "complained", "reason": ""}, "complained", True),
        ({"reason": "anna@mail.example is not here"}, "bounced", True),
    ],
)
def test_the_reason_decides_and_of_it_only_the_code_is_kept(
    post: Post, changes: dict[str, str], code: str, given_up: bool
) -> None:
    assert tell(told(post, **changes)).status_code == 200
    assert post.ways() == [Way("email", "bounced", code, 1)]
    assert post.undeliverable() is given_up


def test_of_several_returns_the_notice_that_came_back_is_recorded(post: Post) -> None:
    bounce, sagas = told(post), [uuid7(), uuid7()]
    for saga_id in sagas:
        post.come_back(saga_id)
    post.work()
    message_id = f"<returned.{sagas[1]}@shop.example>"
    assert tell(bounce | {"message_id": message_id}).json() == {"status": "recorded"}
    bounced = "SELECT saga_id FROM notifications_dispatch WHERE status = 'bounced'"
    assert post.owner.execute(bounced).fetchall() == [(sagas[1],)]
    assert post.undeliverable()


def test_an_address_that_is_another_by_now_is_not_given_up(post: Post) -> None:
    post.contact(email="anna@new.example")
    assert tell(told(post)).json() == {"status": "recorded"}
    assert not post.undeliverable()


def test_a_copy_to_another_address_does_not_answer_for_the_first(post: Post) -> None:
    bounce = told(post)
    post.contact(email="anna@new.example")
    again = {"actor": Actor(1, "support"), "reason": "She says that nothing came"}
    send_again(dispatch_id=post.dispatch_id(), version=2, **again)
    post.work()
    assert [each["recipient"] for each in post.mails()] == ["anna@mail.example", "anna@new.example"]

    assert tell(bounce).json() == {"status": "recorded"}
    assert not post.undeliverable()


def test_an_address_that_was_changed_during_the_call_is_not_given_up(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_mail = sending.WAYS[Channel.EMAIL]

    def change_and_send(mail: Any) -> Any:
        post.contact(email="anna@new.example")
        return by_mail.send(mail)

    monkeypatch.setitem(sending.WAYS, Channel.EMAIL, by_mail._replace(send=change_and_send))
    post.cancel()
    post.work()
    mail = post.mails()[-1]
    assert mail["recipient"] == "anna@mail.example"
    assert tell(told_of(mail)).json() == {"status": "recorded"}
    assert not post.undeliverable()


def test_who_sets_another_push_address_has_the_same_e_mail(post: Post) -> None:
    post.contact(push_url="https://anna.example/hook")
    assert tell(told(post)).json() == {"status": "recorded"}
    assert post.undeliverable()


@pytest.mark.parametrize(
    "message_id", ["<x@y>", "<confirmed.x@y>", "<confirmed.01a21c16-6cd9-7526-8ffd-8803dc6ef429@y>"]
)
def test_a_mail_that_we_do_not_know_is_noted(
    post: Post, message_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert tell(told(post, message_id=message_id)).json() == {"status": "unknown_message"}
    assert "bounce_of_unknown_message" in caplog.text
    assert post.ways() == [Way("email", "sent", "250", 1)]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"secret": "another"}, 401),
        ({"age": 301}, 401),
        ({"age": -301}, 401),
        ({"Webhook-Signature": ""}, 401),
    ],
)
def test_what_is_not_signed_lately_changes_nothing(
    post: Post, given: dict[str, Any], status: int
) -> None:
    assert tell(told(post), **given).status_code == status
    assert post.ways() == [Way("email", "sent", "250", 1)]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", {"message_id": "<a@b>"}, 7])
def test_what_makes_no_sense_is_refused(post: Post, body: object) -> None:
    assert tell(body).status_code == 400
    assert tell(told(post, kind="lost")).status_code == 400


def test_a_large_body_is_not_read(post: Post) -> None:
    assert tell(b"x" * 65_537).status_code == 413
    assert tell(b"x" * 65_536).status_code == 400


def test_without_a_secret_there_is_no_door(post: Post, settings: Settings) -> None:
    settings.MAIL_WEBHOOK_SECRET = ""
    assert tell(told(post), secret="").status_code == 404


def test_only_posts_are_heard(post: Post) -> None:
    assert Client().get("/webhooks/mail").status_code == 405


@pytest.fixture
def shop() -> Iterator[str]:
    """A server that hands what it is posted to the webhook; its address."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = {"Webhook-Signature": self.headers["Webhook-Signature"]}
            answer = Client().post("/webhooks/mail", body, "application/json", headers=signed)
            connections.close_all()  # this thread's
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *told: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_the_mail_server_of_developers_tells_of_bounces(
    post: Post, shop: str, tmp_path: Any
) -> None:
    options = ("--webhook", shop, "--webhook-secret", "of bounces")
    with Server.start(tmp_path / "mail.sqlite3", *options) as telling:
        answer = telling.bounce(post.mails()[0]["message_id"])
    assert (answer["status"], json.loads(answer["body"])) == (200, {"status": "recorded"})
    assert post.ways() == [Way("email", "bounced", "bounced 5.1.1", 1)]
