"""Signatures under webhooks: of one body, one secret and one time."""

import pytest

from apps.messaging.signatures import is_signed, sign

GIVEN = sign(b"body", "secret", 1000.9)
OTHER = sign(b"body", "other", 1000)


@pytest.mark.parametrize("now", [1000, 1300, 700])
def test_who_knows_the_secret_signs_for_a_while(now: float) -> None:
    assert GIVEN.startswith("t=1000,v1=")
    assert is_signed(b"body", GIVEN, "secret", now)


@pytest.mark.parametrize(
    ("body", "given", "secret", "now"),
    [
        (b"body", GIVEN, "secret", 1301),
        (b"body", GIVEN, "secret", 699),
        (b"other", GIVEN, "secret", 1000),
        (b"body", GIVEN, "other", 1000),
        (b"body", GIVEN.replace("t=1000", "t=1001"), "secret", 1000),
        (b"body", f"t=1000,{GIVEN}", "secret", 1000),
        (b"body", GIVEN.replace("t=1000,", ""), "secret", 1000),
        (b"body", "t=1000", "secret", 1000),
        (b"body", "t=\u00b2,v1=a", "secret", 1000),
        (b"body", "t=1000,v1=\u00e9", "secret", 1000),
        (b"body", "", "secret", 1000),
    ],
)
def test_nothing_else_is_signed(body: bytes, given: str, secret: str, now: float) -> None:
    assert not is_signed(body, given, secret, now)


def test_with_two_secrets_for_a_while_one_must_be_right() -> None:
    both = f"{OTHER}, {GIVEN.partition(',')[2]}"
    assert is_signed(b"body", both, "secret", 1000)
    assert is_signed(b"body", both, "other", 1000)
    assert not is_signed(b"body", both, "third", 1000)
