"""Households as customers: users of the database `default`, who log in by token only."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from knox.models import get_token_model

TOKEN_LIFE = timedelta(hours=2)  # should a replay be killed before it takes its tokens back


class UnknownHouseholds(Exception):
    """Households that are no customers; the message says what to do."""


def username(household: int) -> str:
    return f"household-{household}"


def open_customers(households: Collection[int]) -> dict[int, int]:
    """Make each household a user with an unusable password; their user ids, by household."""
    users = get_user_model().objects
    users.bulk_create(
        (users.model(username=username(each), password=make_password(None)) for each in households),
        batch_size=1000,
        ignore_conflicts=True,
    )
    return customers(households)


def customers(households: Collection[int]) -> dict[int, int]:
    """The user ids of those households that are customers."""
    names = {username(each): each for each in households}
    found = get_user_model().objects.filter(username__in=list(names))
    return {names[name]: key for name, key in found.values_list("username", "pk")}


class Tokens:
    """API tokens made in the database: a tool of the composition root, for nobody knows a
    household's password. What the replay does with them goes over HTTP like anybody's requests.
    """

    def __init__(self) -> None:
        self._made: dict[int, str] = {}
        self._keys: list[str] = []

    def of(self, household: int) -> str:
        """A token for the household. Raises UnknownHouseholds where it is no customer."""
        if household not in self._made:
            self._made[household] = self._make(household)
        return self._made[household]

    def take_back(self) -> None:
        """Delete all that were made here."""
        get_token_model().objects.filter(digest__in=self._keys).delete()

    def _make(self, household: int) -> str:
        user = get_user_model().objects.filter(username=username(household)).first()
        if user is None:
            raise UnknownHouseholds(
                f"{username(household)} is no customer of this platform; run "
                f"`manage.py load_catalogue` with the same files first."
            )
        instance, token = get_token_model().objects.create(user=user, expiry=TOKEN_LIFE)
        self._keys.append(instance.digest)
        return str(token)


@contextmanager
def lent_tokens() -> Iterator[Tokens]:
    """Tokens that are taken back in the end."""
    tokens = Tokens()
    try:
        yield tokens
    finally:
        tokens.take_back()
