"""Idempotency keys as Stripe's v1 has them: the first answer is every answer, for a day.

The answer is kept in the transaction of the effect, so that a crash leaves both or neither. Whose
request is being worked on is known in memory only: after a restart nobody's is.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .clock import Clock
from .errors import Answer, key_in_use, key_reused, refused
from .store import Json, Store

KEPT_SECONDS = 24 * 60 * 60
LONGEST = 255
TABLES = """
CREATE TABLE IF NOT EXISTS keys (
  account TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  request TEXT NOT NULL,
  status INTEGER NOT NULL,
  body TEXT NOT NULL,
  created REAL NOT NULL,
  PRIMARY KEY (account, key)
) STRICT;
CREATE INDEX IF NOT EXISTS keys_by_age ON keys (created);
"""


@dataclass(frozen=True)
class Asked:
    """A request under a key."""

    account: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Kept:
    """The first answer, and the request that got it."""

    answer: Answer
    request: str


def fingerprint(path: str, params: Json) -> str:
    """What two requests under one key must have in common."""
    told = json.dumps([path, params], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def require_key(key: str) -> None:
    if not 1 <= len(key) <= LONGEST:
        raise refused(f"Idempotency keys can have up to {LONGEST} characters.")


class Keys:
    """The keys of all accounts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.at_work: set[tuple[str, str]] = set()
        store.declare(TABLES)

    @contextmanager
    def in_use(self, asked: Asked | None) -> Iterator[None]:
        """Keep others with the same key out meanwhile: they get 409."""
        if asked is None:
            yield
            return
        owner = (asked.account, asked.key)
        if owner in self.at_work:
            raise key_in_use(asked.key)
        self.at_work.add(owner)
        try:
            yield
        finally:
            self.at_work.discard(owner)

    def kept(self, asked: Asked) -> Kept | None:
        """The answer that this request had before. Raises StripeError if the key was another's."""
        self.prune()
        row = self.store.row(
            "SELECT * FROM keys WHERE account = ? AND key = ?", asked.account, asked.key
        )
        if row is None:
            return None
        if row["fingerprint"] != asked.fingerprint:
            raise key_reused(asked.key)
        return Kept(Answer(row["status"], json.loads(row["body"])), row["request"])

    def keep(self, asked: Asked, request: str, answer: Answer) -> None:
        """Have this answer given to the key from now on."""
        self.store.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)",
            asked.account, asked.key, asked.fingerprint, request, answer.status,
            json.dumps(answer.body), self.clock.now(),
        )  # fmt: skip

    def prune(self) -> None:
        """Forget what is older than a day: the same key is then a new one, as with Stripe."""
        self.store.execute("DELETE FROM keys WHERE created < ?", self.clock.now() - KEPT_SECONDS)
