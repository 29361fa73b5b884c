"""Pushes to customers' own addresses: signed, once, and never into our own network."""

import ipaddress
import json
import socket
import threading
import time
from typing import Any

import pytest
from pytest_django import Settings

from apps.contracts.notifications import ConfirmationSent, Delivery
from apps.messaging.signatures import is_signed
from apps.notifications.outward import NotOutward, Place, is_outward, place_of
from tests.notifications.post import Post, Way

NOT_NOW = "The host could not be looked up. Try again later."


def test_a_push_is_signed_and_has_a_key(post: Post) -> None:
    post.pushed_to()
    post.confirm()
    post.work()

    [push] = post.server.pushes()
    told = json.loads(push["body"])
    assert told.pop("written_at")
    assert told == {
        "id": f"confirmed.{post.order_id}",
        "kind": "confirmed",
        "order_id": str(post.order_id),
        "order_number": post.number,
        "subject": "Your order is confirmed",
        "text": f"Thank you. Your order {post.number} is confirmed and paid: 12.05 EUR. It will"
        " be handed over to the carrier.",
        "facts": {"amount": "12.05 EUR"},
    }
    assert push["headers"]["Idempotency-Key"] == f"confirmed.{post.order_id}"
    signature = push["headers"]["Webhook-Signature"]
    assert is_signed(push["body"].encode(), signature, "of pushes", time.time())
    assert post.told() == [ConfirmationSent(delivery=Delivery.DELIVERED)]


@pytest.mark.parametrize(
    ("fault", "status", "code", "kept"),
    [
        ("push_refuse", "refused", "HTTP 410", 0),
        ("push_later", "queued", "HTTP 503", 0),
        ("push_fail", "unknown", "HTTP 500", 1),
        ("push_drop", "unknown", "RemoteDisconnected", 1),
    ],
)
def test_what_the_address_answers_decides(
    post: Post, fault: str, status: str, code: str, kept: int
) -> None:
    post.pushed_to()
    post.server.fault(fault)
    post.confirm()
    post.work()
    assert post.ways() == [Way("push", status, code, 1)]

    post.time_passes()
    post.work()
    again = status == "queued"
    assert len(post.server.pushes()) == kept + again
    assert post.ways()[0].status == ("sent" if again else status)


def test_the_better_of_two_ways_counts(post: Post) -> None:
    post.contact(push_url=post.server.push_url)
    post.server.fault("refuse")
    post.confirm()
    post.work()
    assert [(way.channel, way.status) for way in post.ways()] == [
        ("email", "refused"), ("push", "sent")
    ]  # fmt: skip
    assert post.told() == [ConfirmationSent(delivery=Delivery.DELIVERED)]


def test_an_address_that_leads_inward_by_now_is_not_called(post: Post, settings: Settings) -> None:
    """It led outward when it was given: a name can mean anything later."""
    post.pushed_to()
    post.confirm()
    settings.DEBUG = False
    post.work()
    assert post.server.pushes() == []
    assert post.ways() == [Way("push", "refused", "Must begin with https://.", 1)]


def test_a_call_goes_to_the_address_that_was_looked_at(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name means another machine the second time that it is looked up."""
    post.contact(email="", push_url=post.server.push_url.replace("127.0.0.1", "localhost"))
    answers = iter(["127.0.0.1"])

    def look_up(host: str, port: int, *more: Any, **options: Any) -> list[Any]:
        address = host if host == "127.0.0.1" else next(answers, "192.0.2.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    post.confirm()
    with monkeypatch.context() as patched:
        patched.setattr("apps.notifications.outward.socket.getaddrinfo", look_up)
        post.work()
    assert post.ways() == [Way("push", "sent", "HTTP 200", 1)]
    [push] = post.server.pushes()
    assert push["headers"]["Host"].startswith("localhost:")


@pytest.mark.parametrize("silent", [False, True])
def test_a_moment_without_dns_tells_nothing_of_an_address(
    post: Post, monkeypatch: pytest.MonkeyPatch, *, silent: bool
) -> None:
    post.pushed_to()
    post.confirm()
    answered = threading.Event()

    def look_up(*asked: Any, **options: Any) -> list[Any]:
        if silent:
            answered.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with monkeypatch.context() as patched:
        patched.setattr("apps.notifications.outward.LOOK_UP_SECONDS", 0.1)
        patched.setattr("apps.notifications.outward.socket.getaddrinfo", look_up)
        post.work()
        answered.set()
    assert post.ways() == [Way("push", "queued", NOT_NOW, 1)]

    post.time_passes()
    post.work()
    assert post.ways() == [Way("push", "sent", "HTTP 200", 2)]
    assert len(post.server.pushes()) == 1


def test_without_a_secret_nothing_is_pushed(post: Post, settings: Settings) -> None:
    post.pushed_to()
    post.confirm()
    settings.NOTIFY_WEBHOOK_SECRET = ""
    post.work()
    assert post.ways() == [Way("push", "queued", "NOTIFY_WEBHOOK_SECRET is not set", 1)]


# --- addresses

INWARD = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::",
    "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::",
)  # fmt: skip


@pytest.mark.parametrize("address", INWARD)
def test_no_address_of_a_network_of_ours_is_outward(address: str) -> None:
    assert not is_outward(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(NotOutward, match="public internet"):
        place_of(f"https://{host}/", on_this_machine=False)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_an_address_of_the_public_internet_is(address: str) -> None:
    assert is_outward(ipaddress.ip_address(address))


def test_a_name_with_one_address_of_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        return [(2, 1, 6, "", (each, port)) for each in ("93.184.215.14", "10.0.0.1")]

    monkeypatch.setattr("apps.notifications.outward.socket.getaddrinfo", look_up)
    with pytest.raises(NotOutward, match="public internet"):
        place_of("https://shop.example/", on_this_machine=True)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://93.184.215.14/", "https"),
        ("ftp://93.184.215.14/", "https"),
        ("file:///etc/passwd", "https"),
        ("https:///x", "https"),
        ("https://a:b@93.184.215.14/", "without a user"),
        ("https://93.184.215.14/#x", "fragment"),
        ("https://93.184.215.14:99999/", "port"),
        ("https://[::1/", "Must be a URL"),
        ("https://93.184.215.14/a b", "no blanks"),
        ("https://93.184.215.14/\r\nX: y", "no blanks"),
        ("https://no-such-host.invalid/", "can be found"),
    ],
)
def test_what_is_no_address_to_post_to_is_refused(url: str, why: str) -> None:
    with pytest.raises(NotOutward, match=why):
        place_of(url, on_this_machine=True)


def test_an_address_keeps_its_path_and_query() -> None:
    found = place_of("https://93.184.215.14:8443/a/b?c=d", on_this_machine=False)
    assert found == Place("93.184.215.14", 8443, "93.184.215.14", "/a/b?c=d", True)
