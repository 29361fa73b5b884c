"""What a person proves the second factor with: set up, checked, renewed, taken away.

The devices are django-otp's: a code is good once, and each wrong one doubles the time until the
next is looked at.
"""

from base64 import b32encode
from binascii import unhexlify
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction
from django.utils import timezone
from django_otp import verify_token
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp.util import random_hex

from apps.messaging.audit import Actor
from sagaplatform.staff_actions import write_down

RECOVERY_CODES = 10
KEY_BYTES = 20
KIND = "second factor"


class WrongCode(Exception):
    """The code is wrong, or was used before. Wait for the next one, and mind the clock of the
    device that shows it."""


class TooSoon(Exception):
    """After a wrong code the next is looked at only later, and later each time."""

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until

    @property
    def seconds(self) -> int:
        """How long to wait, at least one second."""
        return max(1, round((self.until - timezone.now()).total_seconds()))


def is_required() -> bool:
    """Whether staff without a second factor are let in nowhere. Only `offered` turns it off."""
    return bool(settings.ADMIN_SECOND_FACTOR != "offered")


def has_factor(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether somebody has set up a second factor; then a code is asked for, in any case."""
    return TOTPDevice.objects.filter(user_id=user.pk, confirmed=True).exists()


def is_verified(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether the session of this user has given the second factor, as far as it has to."""
    if getattr(user, "otp_device", None):  # set by OTPMiddleware, or when they were let in
        return True
    if is_required():
        return False
    if not hasattr(user, "has_factor"):  # asked several times for a page
        user.has_factor = has_factor(user)  # type: ignore[union-attr]
    return not user.has_factor  # type: ignore[union-attr]


def new_key() -> str:
    """A secret to share with an authenticator, in hexadecimal."""
    return str(random_hex(KEY_BYTES))


def check(user: User, code: str) -> Device:
    """The device that the code is of. Raises WrongCode, TooSoon."""
    given = "".join(code.replace("-", "").split()).lower()
    model = TOTPDevice if given.isdecimal() else StaticDevice
    for device in model.objects.devices_for_user(user, confirmed=True):
        allowed, why = device.verify_is_allowed()
        if not allowed:
            raise TooSoon(why["locked_until"])
        if verified := verify_token(user, device.persistent_id, given):
            return verified
    raise WrongCode


def set_up(
    *, user: User, key: str, code: str, actor: Actor, reason: str
) -> tuple[Device, list[str]]:
    """Take an authenticator into use, in place of an earlier one, and make recovery codes.

    `code` proves that it has the key. Raises WrongCode, and leaves all as it was.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        before = {"second_factor": has_factor(user)}
        _delete(user)
        device = TOTPDevice.objects.create(user=user, name="authenticator", key=key)
        if not device.verify_token("".join(code.split())):
            raise WrongCode
        codes = _fill(StaticDevice.objects.create(user=user, name="recovery codes"))
        write_down(
            actor=actor, operation="set_up_second_factor", subject_kind=KIND,
            subject=user.get_username(), before=before, after={"second_factor": True},
            reason=reason,
        )  # fmt: skip
    return device, codes


def renew_recovery_codes(*, user: User, actor: Actor, reason: str) -> list[str]:
    """New recovery codes; the old ones are good for nothing any more."""
    with transaction.atomic():
        device = StaticDevice.objects.select_for_update().get(user=user)
        left = device.token_set.count()
        device.token_set.all().delete()
        codes = _fill(device)
        write_down(
            actor=actor, operation="renew_recovery_codes", subject_kind=KIND,
            subject=user.get_username(), before={"codes": left}, after={"codes": len(codes)},
            reason=reason,
        )  # fmt: skip
    return codes


def recovery_codes_left(user: User) -> int:
    """How many have not been used."""
    return StaticToken.objects.filter(device__user=user).count()


def reset(*, user: User, actor: Actor, reason: str) -> bool:
    """Take somebody's lost second factor away; whether there was one.

    Sessions that rest on it end. Where a second factor is required, they set up a new one when
    they log in next.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if not _delete(user):
            return False
        write_down(
            actor=actor, operation="reset_second_factor", subject_kind=KIND,
            subject=user.get_username(), before={"second_factor": True},
            after={"second_factor": False}, reason=reason,
        )  # fmt: skip
    return True


def secret_of(key: str) -> str:
    """The key as people type it into an authenticator: base 32, in groups of four."""
    text = b32encode(unhexlify(key)).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def address_of(user: User, key: str) -> str:
    """The key as an authenticator scans it (otpauth://…)."""
    return str(TOTPDevice(user=user, key=key).config_url)


def _delete(user: User) -> int:
    authenticators, _ = TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    return int(authenticators)


def _fill(device: StaticDevice) -> list[str]:
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=each) for each in codes)
    return [f"{each[:4]}-{each[4:]}" for each in codes]
