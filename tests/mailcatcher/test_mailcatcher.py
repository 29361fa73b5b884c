"""The mail server of developers, as a mail program, a browser and a shop meet it."""

import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import requests

from tools.mailcatcher.__main__ import main
from tools.mailcatcher.client import Server

PATIENCE = 20  # seconds: a bound for a test that would hang
HOSTILE = '<h1 onclick="x()">Hi</h1><script>alert(1)</script>'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server.start(tmp_path_factory.mktemp("mailcatcher") / "mail.sqlite3") as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.clear()
    return running


def send(server: Server, to: str = "ada@mail.example") -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Grüße", "shop@shop.example", to
    mail["Message-ID"] = "<1@shop.example>"
    mail.set_content("the text")
    mail.add_alternative(HOSTILE, subtype="html")
    with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=PATIENCE) as smtp:
        smtp.send_message(mail)


def test_a_mail_is_kept_with_all_that_it_says(server: Server) -> None:
    send(server)
    [mail] = server.mails()
    assert mail.pop("at")
    assert ["To", "ada@mail.example"] in mail.pop("headers")
    assert (mail.pop("text").strip(), mail.pop("html").strip()) == ("the text", HOSTILE)
    assert mail.pop("id")
    assert mail == {
        "sender": "shop@shop.example",
        "recipient": "ada@mail.example",
        "subject": "Grüße",
        "message_id": "<1@shop.example>",
    }
    server.clear()
    assert server.mails() == []


def test_people_see_it_and_nothing_of_it_runs(server: Server) -> None:
    send(server, to="ada@mail.example")
    id = server.mails()[0]["id"]
    overview = requests.get(server.address, timeout=PATIENCE)
    assert f'<a href="/mails/{id}">Grüße</a>' in overview.text
    page = requests.get(f"{server.address}/mails/{id}", timeout=PATIENCE)
    assert f'<iframe sandbox src="/mails/{id}/html"' in page.text
    assert "<script" not in overview.text + page.text
    for each in (overview, page):
        assert each.headers["Content-Security-Policy"].startswith("default-src 'none'")

    html = requests.get(f"{server.address}/mails/{id}/html", timeout=PATIENCE)
    assert html.text.strip() == HOSTILE
    assert html.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert requests.get(f"{server.address}/mails/999999", timeout=PATIENCE).status_code == 404


@pytest.mark.parametrize(
    ("fault", "error", "code", "kept"),
    [
        ("refuse", smtplib.SMTPRecipientsRefused, 550, 0),
        ("greylist", smtplib.SMTPRecipientsRefused, 451, 0),
        ("refuse_text", smtplib.SMTPDataError, 554, 0),
        ("drop_before_data", smtplib.SMTPServerDisconnected, None, 0),
        ("drop_after_data", smtplib.SMTPServerDisconnected, None, 1),
    ],
)
def test_faults_happen_once_and_to_whom_they_are_meant_for(
    server: Server, fault: str, error: type[smtplib.SMTPException], code: int | None, kept: int
) -> None:
    server.fault(fault, recipient="ada@mail.example")
    send(server, to="bob@mail.example")
    with pytest.raises(error) as raised:
        send(server)
    if isinstance(raised.value, smtplib.SMTPRecipientsRefused):
        assert raised.value.recipients["ada@mail.example"][0] == code
    elif isinstance(raised.value, smtplib.SMTPResponseException):
        assert raised.value.smtp_code == code
    send(server)
    assert len(server.mails()) == 2 + kept


def test_a_slow_answer_comes_when_the_mail_is_there(server: Server) -> None:
    server.fault("slow", seconds=0.01)
    send(server)
    assert len(server.mails()) == 1


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        ("x", {}, "Invalid enum value"),
        ("slow", {"times": 0}, "Expected `int` >= 1"),
        ("slow", {"a": 1}, "unknown field `a`"),
    ],
)
def test_what_is_no_fault_is_refused(
    server: Server, kind: str, given: dict[str, object], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        server.fault(kind, **given)


@pytest.mark.parametrize(
    ("fault", "status", "kept"),
    [("", 200, 1), ("push_refuse", 410, 0), ("push_later", 503, 0), ("push_fail", 500, 1)],
)
def test_pushes_are_kept_as_they_came(server: Server, fault: str, status: int, kept: int) -> None:
    if fault:
        server.fault(fault)
    headers = {"Idempotency-Key": "k"}
    answer = requests.post(server.push_url, data=b'{"a": 1}', headers=headers, timeout=PATIENCE)
    assert answer.status_code == status
    pushes = server.pushes()
    assert [push["body"] for push in pushes] == ['{"a": 1}'] * kept
    assert all(push["headers"]["Idempotency-Key"] == "k" for push in pushes)


def test_without_a_shop_nobody_is_told_of_bounces(server: Server) -> None:
    with pytest.raises(ValueError, match="--webhook"):
        server.bounce("<1@shop.example>")


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}]
)
def test_other_sites_are_refused(server: Server, headers: dict[str, str]) -> None:
    send(server)
    url = f"{server.address}/api/all"
    assert requests.delete(url, headers=headers, timeout=PATIENCE).status_code == 403
    assert len(server.mails()) == 1


def test_mails_outlive_the_server(tmp_path: Path) -> None:
    for times in (1, 2):
        with Server.start(tmp_path / "mail.sqlite3") as server:
            send(server)
            assert len(server.mails()) == times


def test_it_says_why_it_cannot_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(tmp_path / "mail.sqlite3")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(SystemExit, match=f"cannot listen at 127.0.0.1:{port}"):
            main(["--smtp-port", port, "--port", "0", "--data", data])
    with pytest.raises(SystemExit, match="cannot use"):
        main(["--smtp-port", "0", "--port", "0", "--data", str(tmp_path)])
    with pytest.raises(SystemExit):
        main(["--data", data, "--webhook", "http://127.0.0.1:1/"])
    assert "needs --webhook-secret" in capsys.readouterr().err
