"""Two factors: a password alone opens nothing, and a code opens once."""

import time
from base64 import b32decode
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from urllib.parse import urlencode

import psycopg
import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings

from apps.messaging.admin.step_up import CONFIRMED_AT
from apps.messaging.audit import Actor
from sagaplatform.models import StaffAction
from sagaplatform.second_factor import devices
from tests.admin.people import PASSWORD, SUPERUSER, user_of

Databases = dict[str, psycopg.Connection]
HOME, LOGIN, CODE = "/admin/", "/admin/login/", "/admin/login/code/"
SET_UP, CONFIRM, CODES = (
    "/admin/second-factor/set-up/",
    "/admin/confirm/",
    "/admin/second-factor/codes/",
)
STEP_SECONDS = 30
KEY = "00112233445566778899aabbccddeeff00112233"


@pytest.fixture(autouse=True)
def clock(databases: Databases, settings: Settings) -> Iterator[time_machine.Traveller]:
    """A clock that stands until it is moved."""
    settings.ADMIN_SECOND_FACTOR = "required"
    with time_machine.travel(timezone.now(), tick=False) as travelled:
        yield travelled


@pytest.fixture
def ada() -> User:
    user = user_of(SUPERUSER, "ada")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def codes(ada: User, clock: time_machine.Traveller) -> list[str]:
    """Ada's recovery codes: she has set up her authenticator a minute ago."""
    clock.shift(timedelta(minutes=-1))
    _, made = devices.set_up(
        user=ada, key=KEY, code=shown(), actor=Actor(ada.pk, "ada"), reason="by themselves"
    )
    clock.shift(timedelta(minutes=1))
    return made


def shown(secret: str = "") -> str:
    """What an authenticator with Ada's key shows now."""
    totp = TOTP(b32decode(secret.replace(" ", "")) if secret else bytes.fromhex(KEY))
    totp.time = time.time()
    return f"{totp.token():06}"


def give_password(client: Client, next: str = HOME) -> HttpResponse:
    given = {"username": "ada", "password": PASSWORD}
    return client.post(f"{LOGIN}?next={next}", given)


def give_code(client: Client, code: str, next: str = HOME) -> HttpResponse:
    return client.post(CODE, {"code": code, "next": next})


def leads(page: str, next: str) -> str:
    """The address of a page that leads on to another."""
    return f"{page}?{urlencode({'next': next})}"


def opens(client: Client) -> bool:
    """Whether the admin lets this client in."""
    return client.get("/admin/auth/user/").status_code == 200


def test_without_a_second_factor_one_is_led_to_set_it_up(ada: User) -> None:
    client = Client()
    answer = give_password(client, "/admin/auth/user/")

    assert (answer.status_code, answer["Location"]) == (
        302, leads(SET_UP, "/admin/auth/user/"),
    )  # fmt: skip
    assert not opens(client)
    assert "_auth_user_id" not in client.session


def test_setting_up_logs_in_and_shows_the_recovery_codes_once(ada: User) -> None:
    client = Client()
    give_password(client)
    page = client.get(SET_UP)
    secret = page.context["secret"]
    assert client.get(SET_UP).context["secret"] == secret

    answer = client.post(SET_UP, {"code": shown(secret), "next": "/admin/auth/user/"})

    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    made = answer.context["codes"]
    assert len(made) == len(set(made)) == 10
    assert [each for each in made if each not in answer.content.decode()] == []
    assert answer.context["next"] == "/admin/auth/user/"
    assert opens(client)
    assert made[0] not in client.get("/admin/second-factor/").content.decode()
    assert [
        (each.actor, each.operation, each.subject, each.before, each.after, each.reason)
        for each in StaffAction.objects.all()
    ] == [
        ("ada", "set_up_second_factor", "ada", {"second_factor": False}, {"second_factor": True},
         "by themselves"),
    ]  # fmt: skip


def test_a_code_of_another_key_sets_up_nothing(ada: User) -> None:
    client = Client()
    give_password(client)
    client.get(SET_UP)
    answer = client.post(SET_UP, {"code": shown()})

    assert answer.status_code == 400
    assert "The code is wrong, or was used before." in answer.content.decode()
    assert not opens(client)
    assert (TOTPDevice.objects.count(), StaffAction.objects.count()) == (0, 0)


def test_the_picture_to_scan_carries_the_same_key_as_the_text(ada: User) -> None:
    address = devices.address_of(ada, KEY)
    secret = devices.secret_of(KEY)

    assert secret == "AAIS EM2E KVTH PCEZ VK54 ZXPO 74AB CIRT"
    assert address.startswith("otpauth://totp/Sagaplatform%3Aada?secret=")
    assert f"secret={secret.replace(' ', '')}&" in address
    assert "issuer=Sagaplatform" in address


def test_password_and_code_let_in_and_lead_on(ada: User, codes: list[str]) -> None:
    client = Client()
    answer = give_password(client, "/admin/auth/user/")
    assert answer["Location"] == leads(CODE, "/admin/auth/user/")
    assert not opens(client)

    answer = give_code(client, shown(), "/admin/auth/user/")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/auth/user/")
    assert opens(client)
    assert client.session[CONFIRMED_AT] == time.time()


def test_a_password_is_no_way_around_the_code(ada: User, codes: list[str]) -> None:
    """Neither sets it up anew who has only the password."""
    client = Client()
    give_password(client)

    assert client.get(SET_UP)["Location"] == leads(LOGIN, "/admin/")
    assert client.post(SET_UP, {"code": shown()})["Location"] == leads(LOGIN, "/admin/")
    assert client.get("/admin/second-factor/").status_code == 302
    assert not opens(client)
    assert TOTPDevice.objects.get().key == KEY


def test_a_code_needs_a_password_first(ada: User, codes: list[str]) -> None:
    client = Client()

    assert give_code(client, shown())["Location"] == leads(LOGIN, "/admin/")
    assert not opens(client)


def test_a_code_is_good_once(ada: User, codes: list[str], clock: time_machine.Traveller) -> None:
    first, second = Client(), Client()
    give_password(first)
    give_password(second)
    code = shown()
    assert give_code(first, code).status_code == 302

    again = give_code(second, code)

    assert again.status_code == 400
    assert "was used before" in again.content.decode()
    assert not opens(second)
    clock.shift(timedelta(seconds=STEP_SECONDS))
    assert give_code(second, shown()).status_code == 302


def test_a_recovery_code_is_good_once_however_it_is_written(
    ada: User, codes: list[str], clock: time_machine.Traveller
) -> None:
    first, second = Client(), Client()
    give_password(first)
    give_password(second)

    assert give_code(first, codes[0].replace("-", " ").upper()).status_code == 302
    assert opens(first)
    assert give_code(second, codes[0]).status_code == 400
    assert not opens(second)
    assert StaticToken.objects.count() == 9


def test_a_code_after_a_wrong_one_has_to_wait(
    ada: User, codes: list[str], clock: time_machine.Traveller
) -> None:
    client = Client()
    give_password(client)
    give_code(client, "000000")
    clock.shift(timedelta(seconds=1))
    give_code(client, "000000")

    hasty = give_code(client, shown())
    assert "Wait 2 s before you try again." in hasty.content.decode()
    clock.shift(timedelta(seconds=2))
    assert give_code(client, shown()).status_code == 302


def test_who_waits_too_long_begins_again(
    ada: User, codes: list[str], clock: time_machine.Traveller
) -> None:
    client = Client()
    give_password(client)
    clock.shift(timedelta(minutes=10, seconds=1))

    assert give_code(client, shown())["Location"] == leads(LOGIN, "/admin/")
    assert not opens(client)


def test_who_is_shut_out_between_password_and_code_stays_out(ada: User, codes: list[str]) -> None:
    client = Client()
    give_password(client)
    User.objects.update(is_active=False)

    assert give_code(client, shown())["Location"] == leads(LOGIN, "/admin/")


@pytest.mark.parametrize(
    "next", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "http:evil"]
)
def test_nobody_is_led_elsewhere(ada: User, codes: list[str], next: str) -> None:
    client = Client()
    give_password(client, next)

    assert give_code(client, shown(), next)["Location"] == HOME
    assert client.post(CONFIRM, {"code": codes[0], "next": next})["Location"] == HOME


def test_where_it_is_only_offered_a_password_is_enough_until_it_is_set_up(
    ada: User, settings: Settings
) -> None:
    settings.ADMIN_SECOND_FACTOR = "offered"
    client, other = Client(), Client()
    assert give_password(client)["Location"] == HOME
    assert give_password(other)["Location"] == HOME
    assert opens(client)

    secret = client.get(SET_UP).context["secret"]
    assert client.post(SET_UP, {"code": shown(secret)}).status_code == 200

    assert opens(client)
    assert not opens(other)
    assert give_password(other)["Location"] == leads(CODE, "/admin/")


@pytest.mark.parametrize("setting", ["required", "Offered", "", "no"])
def test_only_the_word_offered_makes_it_optional(
    ada: User, settings: Settings, setting: str
) -> None:
    settings.ADMIN_SECOND_FACTOR = setting
    client = Client()
    client.force_login(ada)

    assert not opens(client)


def test_another_authenticator_takes_the_place_of_the_first(
    ada: User, codes: list[str], clock: time_machine.Traveller
) -> None:
    client = Client()
    give_password(client)
    give_code(client, shown())
    secret = client.get(SET_UP).context["secret"]
    answer = client.post(SET_UP, {"code": shown(secret)})

    assert opens(client)
    assert TOTPDevice.objects.count() == 1
    assert StaticToken.objects.count() == 10
    assert not set(answer.context["codes"]) & set(codes)
    other = Client()
    give_password(other)
    clock.shift(timedelta(seconds=STEP_SECONDS))
    assert give_code(other, shown()).status_code == 400


def test_changing_it_wants_a_fresh_confirmation(
    ada: User, codes: list[str], clock: time_machine.Traveller
) -> None:
    client = Client()
    give_password(client)
    give_code(client, shown())
    clock.shift(timedelta(minutes=10))

    assert client.get(SET_UP)["Location"] == leads(CONFIRM, SET_UP)
    assert client.post(CODES)["Location"] == leads(CONFIRM, "/admin/second-factor/")
    assert StaticToken.objects.count() == 10


def test_new_recovery_codes_replace_the_old_ones(ada: User, codes: list[str]) -> None:
    client = Client()
    give_password(client)
    give_code(client, codes[0])
    made = client.post(CODES).context["codes"]

    assert opens(client)
    assert len(made) == StaticToken.objects.count() == 10
    assert not set(made) & set(codes)
    told = StaffAction.objects.order_by("-id").first()
    assert told is not None
    assert (told.operation, told.before, told.after) == (
        "renew_recovery_codes", {"codes": 9}, {"codes": 10},
    )  # fmt: skip


def test_confirming_takes_a_code_and_counts_for_ten_minutes(
    ada: User, codes: list[str], clock: time_machine.Traveller
) -> None:
    client = Client()
    give_password(client)
    give_code(client, shown())
    clock.shift(timedelta(minutes=10))
    assert client.get(CONFIRM).context["by_code"] is True
    assert client.post(CONFIRM, {"password": PASSWORD}).status_code == 400

    answer = client.post(leads(CONFIRM, "/admin/sagas/saga/"), {"code": shown()})

    assert (answer.status_code, answer["Location"]) == (302, "/admin/sagas/saga/")
    assert client.session[CONFIRMED_AT] == time.time()


def test_confirming_takes_the_password_of_who_has_no_second_factor(
    ada: User, settings: Settings, clock: time_machine.Traveller
) -> None:
    settings.ADMIN_SECOND_FACTOR = "offered"
    client = Client()
    client.force_login(ada)
    wrong = client.post(CONFIRM, {"password": "wrong"})
    assert (wrong.status_code, CONFIRMED_AT in client.session) == (400, False)
    assert "The password is wrong." in wrong.content.decode()

    assert client.post(CONFIRM, {"password": PASSWORD})["Location"] == HOME
    assert client.session[CONFIRMED_AT] == time.time()


def test_a_part_of_a_page_that_comes_after_the_session_leads_all_of_it_to_the_login() -> None:
    """Or the login page would stand where the part was."""
    address = "http://testserver/admin/sagas/saga/?status=stuck"
    headers = {"HX-Request": "true", "HX-Current-URL": address}
    answer = Client().get("/admin/sagas/saga/", headers=headers, follow=True)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["HX-Redirect"] == leads(LOGIN, "/admin/sagas/saga/")


def reset(*arguments: str) -> str:
    out = StringIO()
    call_command("reset_second_factor", *arguments, stdout=out)
    return out.getvalue()


def test_a_lost_second_factor_is_reset_and_its_sessions_end(ada: User, codes: list[str]) -> None:
    client = Client()
    give_password(client)
    give_code(client, shown())
    user_of(SUPERUSER, "bob")

    reset("ada", "--reason", "phone in the lake", "--as", "bob", "--yes")

    assert not opens(client)
    assert (TOTPDevice.objects.count(), StaticToken.objects.count()) == (0, 0)
    assert give_password(client)["Location"] == leads(SET_UP, "/admin/")
    told = StaffAction.objects.order_by("-id").first()
    assert told is not None
    assert (told.actor, told.operation, told.subject, told.reason) == (
        "bob", "reset_second_factor", "ada", "phone in the lake",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ada", "--yes"), "Say why"),
        (("ada", "--reason", "...", "--yes"), "Give a reason, in words"),
        (("eve", "--reason", "lost", "--yes"), "no user 'eve'"),
        (("bob", "--reason", "lost", "--yes"), "bob has no second factor"),
    ],
)
def test_a_reset_that_is_refused_changes_nothing(
    ada: User, codes: list[str], arguments: tuple[str, ...], words: str
) -> None:
    User.objects.create_user("bob")
    with pytest.raises(CommandError, match=words):
        reset(*arguments)

    assert TOTPDevice.objects.count() == 1
    assert StaffAction.objects.filter(operation="reset_second_factor").count() == 0
