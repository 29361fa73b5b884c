"""The SMTP server: takes every mail, delivers none, and fails on demand."""

import asyncio

from aiosmtpd.smtp import SMTP, Envelope, Session

from .faults import Fault, Faults
from .store import Store

LARGEST_MAIL = 1_000_000


class Catcher:
    """aiosmtpd's handler."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self.store = store
        self.faults = faults

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        kinds = (Fault.REFUSE, Fault.GREYLIST, Fault.DROP_BEFORE_DATA)
        fault = self.faults.take(*kinds, recipient=address)
        if fault and fault.kind is Fault.REFUSE:
            return f"550 5.1.1 <{address}>: no such mailbox here"
        if fault and fault.kind is Fault.GREYLIST:
            return f"451 4.7.1 <{address}>: greylisted, come again later"
        if fault:
            hang_up(server)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep a mail, or not."""
        kinds = (Fault.REFUSE_TEXT, Fault.DROP_AFTER_DATA, Fault.SLOW)
        fault = self.faults.take(*kinds, recipient=envelope.rcpt_tos[0])
        if fault and fault.kind is Fault.REFUSE_TEXT:
            return "554 5.7.1 this looks like spam"
        for recipient in envelope.rcpt_tos:
            content = envelope.content or b""
            raw = content if isinstance(content, bytes) else content.encode()
            self.store.keep_mail(envelope.mail_from or "", recipient, raw)
        if fault and fault.kind is Fault.DROP_AFTER_DATA:
            hang_up(server)
        elif fault:
            await asyncio.sleep(fault.seconds)
        return "250 OK: kept"


def hang_up(server: SMTP) -> None:
    """Let the connection end without a word."""
    transport = server.transport
    assert transport is not None
    transport.abort()  # type: ignore[attr-defined]


def protocol(catcher: Catcher) -> SMTP:
    """One connection."""
    return SMTP(
        catcher, hostname="mailcatcher", ident="mailcatcher", data_size_limit=LARGEST_MAIL,
        enable_SMTPUTF8=True,
    )  # fmt: skip
