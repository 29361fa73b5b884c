"""Whom workers call: a payment gateway, a carrier, a mail server, a person at a desk.

    STRIPE = Provider.from_settings("stripe")
    CALLS = {"authorize": OutsideCall(..., provider=STRIPE)}

How much a provider bears is said here; `budgets` and `outages` hold to it.
"""

from dataclasses import dataclass
from typing import Self

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class Provider:
    """Somebody outside, and how much of us it bears. `at_once` and `per_second` are of each worker
    process; who does not answer is known to all workers of a context."""

    name: str
    at_once: int = 4  # calls under way
    per_second: float = 0.0  # calls that begin; 0: as many as can be made
    failures: int = 0  # in a row, after which it is not called for a while; 0: it always is
    rest: float = 30.0  # seconds of that while; then one call finds out

    def __post_init__(self) -> None:
        if self.at_once < 1 or self.per_second < 0 or self.failures < 0 or self.rest <= 0:
            raise ImproperlyConfigured(
                f"{self.name} must be called by one at least, and no number of it may be negative:"
                f" correct the settings {self.name.upper()}_…."
            )

    @classmethod
    def from_settings(cls, name: str) -> Self:
        """The provider as the environment describes it: `<NAME>_CONCURRENCY` and its sisters. Its
        name must stand in the table of settings (env.py, `provider`)."""
        return cls(name, **settings.PROVIDERS[name])
