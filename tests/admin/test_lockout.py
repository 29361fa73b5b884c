"""Who is wrong five times is not asked again for a quarter of an hour."""

import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import psycopg
import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.messaging.admin.step_up import CONFIRMED_AT
from sagaplatform.models import StaffAction
from tests.admin.people import PASSWORD, SUPERUSER, user_of

Databases = dict[str, psycopg.Connection]
KEY = b"12345678901234567890"
WRONG = "000000"


@pytest.fixture(autouse=True)
def clock(databases: Databases) -> Iterator[time_machine.Traveller]:
    with time_machine.travel(timezone.now(), tick=False) as travelled:
        yield travelled


@pytest.fixture
def ada() -> User:
    user = user_of(SUPERUSER, "ada")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def authenticator(ada: User) -> TOTPDevice:
    StaticDevice.objects.create(user=ada, name="recovery codes")
    return TOTPDevice.objects.create(user=ada, name="authenticator", key=KEY.hex())


def log_in(
    password: str = PASSWORD, *, name: str = "ada", address: str = "10.0.0.1",
    client: Client | None = None,
) -> HttpResponse:  # fmt: skip
    """The answer to a password."""
    given = {"username": name, "password": password}
    return (client or Client()).post("/admin/login/", given, REMOTE_ADDR=address)


def guess(times: int, **where: str) -> list[int]:
    return [log_in("guess", **where).status_code for _ in range(times)]  # type: ignore[arg-type]


def right_code() -> str:
    """What Ada's authenticator shows now."""
    shown = TOTP(KEY)
    shown.time = time.time()
    return f"{shown.token():06}"


def test_the_fifth_wrong_password_locks_and_the_right_one_comes_too_late(ada: User) -> None:
    assert guess(4) == [200] * 4
    fifth, right = log_in("guess"), log_in()

    assert [each.status_code for each in (fifth, right)] == [429, 429]
    assert [each["Retry-After"] for each in (fifth, right)] == ["900", "900"]


def test_the_page_says_until_when_and_what_to_do(ada: User) -> None:
    guess(4)
    page = log_in("guess")
    until = timezone.now() + timedelta(minutes=15)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    shown = " ".join(page.content.decode().split())
    assert "There were 5 wrong tries in a row from here" in shown
    assert f">{until:%Y-%m-%d %H:%M:%S} UTC</time> (in 15 minutes)" in shown
    assert "an administrator can unlock you" in shown


def test_it_ends_after_the_time_that_was_told_whatever_is_tried_meanwhile(
    ada: User, clock: time_machine.Traveller
) -> None:
    guess(5)
    clock.shift(timedelta(minutes=10))
    assert guess(2) == [429, 429]
    clock.shift(timedelta(minutes=5, seconds=-1))
    assert log_in().status_code == 429
    clock.shift(timedelta(seconds=2))

    assert log_in().status_code == 302


def test_others_and_other_addresses_are_not_locked(ada: User) -> None:
    """Or anybody could lock anybody out."""
    bob = user_of(SUPERUSER, "bob")
    bob.set_password(PASSWORD)
    bob.save()
    guess(5)

    assert log_in(name="bob").status_code == 302
    assert log_in(address="10.0.0.2").status_code == 302
    assert log_in().status_code == 429


def test_the_lock_is_in_the_database_where_every_process_sees_it(
    ada: User, databases: Databases
) -> None:
    guess(5)
    rows = databases["default"].execute(
        "SELECT username, host(ip_address), failures_since_start, post_data FROM axes_accessattempt"
    )

    [(name, address, failures, post)] = rows.fetchall()
    assert (name, address, failures) == ("ada", "10.0.0.1", 5)
    assert "guess" not in post


def test_a_right_password_makes_wrong_ones_forgotten(ada: User) -> None:
    for _ in range(3):
        assert guess(4) == [200] * 4
        assert log_in().status_code == 302


def wrong_codes(client: Client, clock: time_machine.Traveller, times: int, page: str) -> list[int]:
    """The answers to so many wrong codes, each late enough to be looked at."""
    answers = []
    for n in range(times):
        answers.append(client.post(page, {"code": WRONG}, REMOTE_ADDR="10.0.0.1").status_code)
        clock.shift(timedelta(seconds=2**n))
    return answers


def test_wrong_codes_lock_and_a_right_password_does_not_undo_them(
    authenticator: TOTPDevice, clock: time_machine.Traveller
) -> None:
    page = "/admin/login/code/"
    first, second = Client(), Client()
    log_in(client=first)
    assert wrong_codes(first, clock, 4, page) == [400] * 4
    assert log_in(client=second).status_code == 302
    given = {"username": "ada", "password": PASSWORD}
    api = Client().post("/api/v1/auth/login", given, "application/json", REMOTE_ADDR="10.0.0.1")
    assert api.status_code == 200
    assert wrong_codes(second, clock, 1, page) == [429]
    clock.shift(timedelta(seconds=30))

    for client in (first, second):
        given = {"code": right_code()}
        assert client.post(page, given, REMOTE_ADDR="10.0.0.1").status_code == 429
        assert "_auth_user_id" not in client.session


def test_a_code_that_was_tried_is_not_kept(
    authenticator: TOTPDevice, databases: Databases, clock: time_machine.Traveller
) -> None:
    client = Client()
    log_in(client=client)
    wrong_codes(client, clock, 1, "/admin/login/code/")

    [(post,)] = databases["default"].execute("SELECT post_data FROM axes_accessattempt").fetchall()
    assert WRONG not in post


@pytest.mark.parametrize("factor", ["code", "password"])
def test_wrong_tries_to_confirm_lock_too(
    ada: User, clock: time_machine.Traveller, factor: str
) -> None:
    client = Client()
    client.force_login(ada)
    if factor == "code":
        device = TOTPDevice.objects.create(user=ada, name="authenticator", key=KEY.hex())
        session = client.session
        session["otp_device_id"] = device.persistent_id
        session.save()
    answers = []
    for n in range(5):
        answers.append(client.post("/admin/confirm/", {factor: WRONG}).status_code)
        clock.shift(timedelta(seconds=2**n))
    right = {"password": PASSWORD, "code": right_code()}

    assert answers == [400, 400, 400, 400, 429]
    assert client.post("/admin/confirm/", right).status_code == 429
    assert CONFIRMED_AT not in client.session
    assert client.get("/admin/").status_code == 200  # who is in stays in


def unlock(*arguments: str) -> str:
    out = StringIO()
    call_command("unlock", *arguments, stdout=out)
    return out.getvalue()


def test_an_administrator_unlocks_and_it_is_written_down(
    authenticator: TOTPDevice, clock: time_machine.Traveller
) -> None:
    client = Client()
    log_in(client=client)
    wrong_codes(client, clock, 2, "/admin/login/code/")
    guess(5)
    guess(3, address="10.0.0.2")

    said = unlock("ada", "--reason", "called from her own phone", "--as", "ada")

    assert said == "ada may log in again; wrong tries forgotten: 10.\n"
    assert log_in().status_code == 302
    told = StaffAction.objects.get()
    assert (told.actor, told.operation, told.subject, told.before, told.after, told.reason) == (
        "ada", "unlock", "ada", {"failures": 10}, {"failures": 0}, "called from her own phone",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("ada",), "Say why"), (("ada", "--reason", "-"), "Give a reason"),
     (("bob", "--reason", "asked"), "bob is not locked out")],
)  # fmt: skip
def test_an_unlock_that_is_refused_leaves_the_lock(
    ada: User, arguments: tuple[str, ...], words: str
) -> None:
    guess(5)
    with pytest.raises(CommandError, match=words):
        unlock(*arguments)

    assert log_in().status_code == 429
    assert StaffAction.objects.count() == 0


def test_a_customers_right_password_tells_no_more_than_a_wrong_one(databases: Databases) -> None:
    User.objects.create_user("eve", password=PASSWORD)

    right, wrong = log_in(name="eve"), log_in("guess", name="eve")
    told = [each.context["form"].non_field_errors() for each in (right, wrong)]
    assert told[0] == told[1]
