"""What customers, agents and the mail provider change from outside: contacts, dispatches."""

import enum
from functools import partial
from uuid import UUID

from django.db import transaction

from apps.messaging.audit import Actor, write_down
from apps.messaging.database import Database
from apps.messaging.models import SubjectKind
from apps.messaging.waking import wake
from apps.notifications.errors import DispatchMoved, DispatchUnderWay, NoContact, NoSuchDispatch
from apps.notifications.models import Channel, DispatchStatus, named_by
from apps.notifications.workspaces import POST

# What the customer wishes now. An address that was undeliverable is so no more once it is another.
SET_CONTACT = """
INSERT INTO notifications_contact AS contact (customer_id, email, push_url) VALUES (%b, %b, %b)
ON CONFLICT (customer_id) DO UPDATE SET
  email = excluded.email, push_url = excluded.push_url,
  changed_at = CASE WHEN contact.email = excluded.email THEN contact.changed_at ELSE now() END,
  undeliverable_since =
    CASE WHEN contact.email = excluded.email THEN contact.undeliverable_since END
"""

LOCK_DISPATCH = """
SELECT saga_id, order_id, customer_id, kind, channel, status, version FROM notifications_dispatch
WHERE id = %b FOR UPDATE
"""

# Whatever it is but under way -> queued. The caller holds the row's lock.
QUEUE_AGAIN = """
UPDATE notifications_dispatch
SET status = 'queued', code = '', due_at = now(), queued_at = now(), lease = NULL,
    leased_until = NULL, version = version + 1, changed_at = now()
WHERE id = %b AND status NOT IN ('queued', 'sending')
"""

ADDRESS = "SELECT email, push_url FROM notifications_contact WHERE customer_id = %b"

# The mail that came back, locked; it was named as models.name_of says. And when its message was
# written: no copy was sent before that.
LOCK_MAIL = """
SELECT dispatch.id, dispatch.customer_id, status, message.sent_at
FROM notifications_dispatch AS dispatch
JOIN notifications_customermessage AS message ON message.id = message_id
WHERE dispatch.{named_by} = %b AND dispatch.kind = %b AND channel = 'email' FOR UPDATE OF dispatch
"""

# sent, sending, unknown or refused -> bounced. The caller holds the row's lock.
BOUNCE = """
UPDATE notifications_dispatch
SET status = 'bounced', code = %b, lease = NULL, leased_until = NULL, version = version + 1,
    changed_at = now()
WHERE id = %b AND status NOT IN ('bounced', 'queued')
"""

# The address takes nothing, unless the customer has changed it since the message was written: its
# copies have one name, so which of them came back, and from which address, nobody can tell then.
GIVE_ADDRESS_UP = """
UPDATE notifications_contact SET undeliverable_since = now()
WHERE customer_id = %b AND email <> '' AND undeliverable_since IS NULL AND changed_at <= %b
"""


class Bounced(enum.StrEnum):
    """What became of the news that a mail came back."""

    RECORDED = "recorded"
    KNOWN = "known"  # it was told before, or the mail is being sent again already
    UNKNOWN_MESSAGE = "unknown_message"  # we sent no such mail


def set_contact(*, customer_id: int, email: str, push_url: str) -> None:
    """Where a customer wishes to be told; empty: not in that way. The caller has checked both."""
    Database("notifications").execute(SET_CONTACT, (customer_id, email, push_url))


def send_again(*, dispatch_id: UUID, version: int, actor: Actor, reason: str) -> None:
    """Queue a message for its channel once more, as an agent wishes: written down.

    The customer may get it twice. Raises NoSuchDispatch, DispatchMoved, DispatchUnderWay, NoContact
    and ReasonMissing, and changes nothing then.
    """
    database = Database("notifications")
    with database.transaction():
        rows = database.fetch(LOCK_DISPATCH, [dispatch_id])
        if not rows:
            raise NoSuchDispatch(id=dispatch_id)
        [(saga_id, order_id, customer_id, kind, channel, status, now)] = rows
        if now != version:
            raise DispatchMoved(seen=version, now=now)
        if status in (DispatchStatus.QUEUED, DispatchStatus.SENDING):
            raise DispatchUnderWay(status=status)
        _address(database, customer_id, channel)
        database.execute(QUEUE_AGAIN, [dispatch_id])
        write_down(
            database,
            actor=actor,
            operation="resend",
            subject_kind=SubjectKind.ORDER,
            subject_id=order_id,
            saga_id=saga_id,
            step="",
            version=version,
            reason=reason,
            parameters={"dispatch": str(dispatch_id), "kind": kind, "channel": channel},
            outcome=f"{status} -> queued",
        )
        transaction.on_commit(partial(wake, "notifications", POST), using="notifications")


def reveal_address(*, dispatch_id: UUID, actor: Actor, reason: str) -> str:
    """The address that a message goes to, after it is written down that somebody reads it, and why.

    Raises NoSuchDispatch, NoContact, and ReasonMissing where the reason has no letter in it.
    """
    database = Database("notifications")
    with database.transaction():
        rows = database.fetch(LOCK_DISPATCH, [dispatch_id])
        if not rows:
            raise NoSuchDispatch(id=dispatch_id)
        [(saga_id, order_id, customer_id, _, channel, _, version)] = rows
        address = _address(database, customer_id, channel)
        write_down(
            database,
            actor=actor,
            operation="reveal_contact",
            subject_kind=SubjectKind.ORDER,
            subject_id=order_id,
            saga_id=saga_id,
            step="",
            version=version,
            reason=reason,
            parameters={"dispatch": str(dispatch_id), "channel": channel},
            outcome="the address was shown",
        )
    return address


def record_bounce(*, name: UUID, kind: str, code: str, for_good: bool) -> Bounced:
    """The mail provider tells that a mail came back, named by its order, or by its return's saga;
    `for_good`: the address takes none any more.

    Told again, it changes nothing.
    """
    database = Database("notifications")
    with database.transaction():
        rows = database.fetch(LOCK_MAIL.format(named_by=named_by(kind)), (name, kind))
        if not rows:
            return Bounced.UNKNOWN_MESSAGE
        [(id, customer_id, status, written_at)] = rows
        if status == DispatchStatus.BOUNCED or not database.execute(BOUNCE, (code, id)):
            return Bounced.KNOWN
        if for_good:
            database.execute(GIVE_ADDRESS_UP, (customer_id, written_at))
    return Bounced.RECORDED


def _address(database: Database, customer_id: int, channel: str) -> str:
    """Raises NoContact."""
    rows = database.fetch(ADDRESS, [customer_id])
    email, push_url = rows[0] if rows else ("", "")
    if not (address := email if channel == Channel.EMAIL else push_url):
        raise NoContact(channel=channel)
    return address
