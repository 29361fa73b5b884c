"""The post: sends what is queued, each message by each channel once.

A dispatch is moved to `sending` by a commit before the call. Whoever dies in between leaves it
there; when the lease has run out it is `unknown`, and is not sent again by itself.
"""

import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog
from uuid_utils.compat import uuid7

from apps.messaging.database import Database
from apps.messaging.dispatching import stopping
from apps.messaging.retry import pause_before_call
from apps.notifications.letters import Letter, Outcome
from apps.notifications.mail import mail_of, send_mail
from apps.notifications.metrics import count_dispatch
from apps.notifications.models import Channel, DispatchStatus
from apps.notifications.push import post_of, send_push
from apps.notifications.waiting import wake_steps

LONGEST_SECONDS = 20.0  # of one call; mail.py and push.py keep to it
LEASE_SECONDS = 2 * LONGEST_SECONDS + 5
GIVE_UP_AFTER = timedelta(days=1)


class Way(NamedTuple):
    """How a channel sends: prepare, which tells nobody, and send, which is done once."""

    prepare: Callable[[Letter], Any]
    send: Callable[[Any], Outcome]


WAYS = {Channel.EMAIL: Way(mail_of, send_mail), Channel.PUSH: Way(post_of, send_push)}

# sending -> unknown: whoever sent it died, or was too slow. Its lease stays, so that one who was
# only slow can still say what became of it.
LOSE = """
UPDATE notifications_dispatch
SET status = 'unknown', code = 'nobody told what became of it', version = version + 1,
    changed_at = now()
WHERE status = 'sending' AND leased_until <= now()
RETURNING order_id, kind, saga_id, channel
"""

# queued -> sending: what has been due for longest. It is chosen in a WITH, which is carried out
# once.
CLAIM = """
WITH chosen AS MATERIALIZED (
  SELECT id FROM notifications_dispatch WHERE status = 'queued' AND due_at <= now()
  ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE notifications_dispatch AS dispatch
SET status = 'sending', lease = %b, leased_until = now() + make_interval(secs => %b),
    attempt = attempt + 1, version = version + 1, changed_at = now()
FROM chosen WHERE dispatch.id = chosen.id
RETURNING dispatch.id, channel, attempt, queued_at
"""

# What is sent, and where the customer wishes to have it now.
LETTER = """
SELECT message.kind, message.order_id, message.saga_id, message.subject, message.body,
       message.facts::text, message.sent_at,
       coalesce(CASE WHEN undeliverable_since IS NULL THEN email END, ''),
       coalesce(push_url, '')
FROM notifications_dispatch AS dispatch
JOIN notifications_customermessage AS message ON message.id = dispatch.message_id
LEFT JOIN notifications_contact AS contact ON contact.customer_id = message.customer_id
WHERE dispatch.id = %b
"""

# sending -> what came of it, by who has sent it; or unknown -> the same, if that took too long.
RECORD = """
UPDATE notifications_dispatch
SET status = %b, code = %b, due_at = now() + make_interval(secs => %b), lease = NULL,
    leased_until = NULL, version = version + 1, changed_at = now()
WHERE id = %b AND lease = %b AND status IN ('sending', 'unknown')
"""

# The e-mail address takes nothing, if it still is the one that we wrote to.
MARK_UNDELIVERABLE = """
UPDATE notifications_contact AS contact SET undeliverable_since = now()
FROM notifications_dispatch AS dispatch
WHERE dispatch.id = %b AND contact.customer_id = dispatch.customer_id AND contact.email = %b
  AND undeliverable_since IS NULL
"""

log = structlog.get_logger()


class Claimed(NamedTuple):
    """A dispatch that this worker has to itself until its lease ends."""

    lease: UUID
    id: UUID
    channel: Channel
    attempt: int
    queued_at: datetime


def deliver_due() -> int:
    """Send what is queued and due, until nothing is or the process is to stop; how many calls were
    made."""
    database, made = Database("notifications"), 0
    give_lost_up(database)
    while not stopping() and (claimed := claim(database)):
        letter = letter_of(database, claimed)
        record(database, claimed, letter, sent(claimed, letter))
        made += 1
    return made


def give_lost_up(database: Database) -> None:
    """What nobody told the outcome of is unknown, and stays so."""
    with database.transaction():
        for order_id, kind, saga_id, channel in database.fetch(LOSE):
            log.warning("dispatch_unknown", order_id=str(order_id), kind=kind, channel=channel)
            count_dispatch(kind, channel, DispatchStatus.UNKNOWN)
            wake_steps(database, order_id, kind, saga_id)


def claim(database: Database) -> Claimed | None:
    """What has been due for longest; None where nothing is."""
    lease = uuid7()
    rows = database.fetch(CLAIM, (lease, LEASE_SECONDS))
    if not rows:
        return None
    [(id, channel, *rest)] = rows
    return Claimed(lease, id, Channel(channel), *rest)


def letter_of(database: Database, claimed: Claimed) -> Letter:
    """What is sent, and where to."""
    rows = database.fetch(LETTER, [claimed.id])
    [(kind, order_id, saga_id, subject, body, facts, written_at, email, push_url)] = rows
    return Letter(
        kind=kind,
        order_id=order_id,
        saga_id=saga_id,
        subject=subject,
        body=body,
        facts=msgspec.json.decode(facts, type=dict[str, str]),
        written_at=written_at,
        address=email if claimed.channel is Channel.EMAIL else push_url,
    )


def sent(claimed: Claimed, letter: Letter) -> Outcome:
    """Make the call. An error's text may hold an address, so only its type is told."""
    if not letter.address:
        return Outcome(DispatchStatus.REFUSED, "the customer has no such address any more")
    way, status = WAYS[claimed.channel], DispatchStatus.QUEUED
    try:
        prepared = way.prepare(letter)
        status = DispatchStatus.UNKNOWN  # whatever is raised now: it may have been taken
        return way.send(prepared)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "dispatch_failed",
            kind=letter.kind, channel=claimed.channel.value, error_type=type(error).__name__,
            at=f"{place.name}:{place.lineno}",
        )  # fmt: skip
        return Outcome(status, type(error).__name__)


def record(database: Database, claimed: Claimed, letter: Letter, outcome: Outcome) -> None:
    """Write what came of a call, and let the steps ask that wait for it."""
    status = outcome.status
    with database.transaction():
        if status is DispatchStatus.QUEUED and is_over(database, claimed):
            status = DispatchStatus.REFUSED
        pause = pause_before_call(claimed.attempt)
        written = database.execute(
            RECORD, (status.value, outcome.code, pause, claimed.id, claimed.lease)
        )
        if not written:  # somebody has decided otherwise meanwhile
            log.warning("dispatch_lease_lost", channel=claimed.channel, status=status.value)
            return
        if outcome.bad_address:
            database.execute(MARK_UNDELIVERABLE, (claimed.id, letter.address))
        if status is not DispatchStatus.QUEUED:
            wake_steps(database, letter.order_id, letter.kind, letter.saga_id)
    count_dispatch(letter.kind, claimed.channel, status)
    log.info(
        "dispatched",
        order_id=str(letter.order_id), kind=letter.kind, channel=claimed.channel.value,
        status=status.value, code=outcome.code, attempt=claimed.attempt,
    )  # fmt: skip


def is_over(database: Database, claimed: Claimed) -> bool:
    """Whether nobody is asked to take it any more."""
    [(over,)] = database.fetch(
        "SELECT %b::timestamptz + %b::interval < now()", (claimed.queued_at, GIVE_UP_AFTER)
    )
    return bool(over)
