"""E-mail, by Django's mail framework and an SMTP server.

What the server says decides. A definite no is a refusal; what came before the text of the mail was
handed over is no delivery, and tried again; a silence after that is unknown.
"""

import re
import smtplib
import socket
from collections.abc import Callable
from email.utils import parseaddr
from functools import partial
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django.template.loader import render_to_string

from apps.notifications.letters import Letter, Outcome, cut_off_after
from apps.notifications.models import DispatchStatus

TIMEOUT_SECONDS = 8  # of each answer
SECONDS_IN_ALL = 18.0
# RFC 3463; and no part of an IP address.
ENHANCED = re.compile(r"(?<![\w.])[245]\.\d{1,3}\.\d{1,3}(?!\w|\.\d)")
NO_SUCH_MAILBOX = {550, 551, 553}  # where no enhanced code says more


class Connection(smtplib.SMTP):
    """smtplib's, which remembers how far it came."""

    sock: socket.socket | None = None  # before it is connected
    handed_over = False  # the text of the mail may be with the server
    taken = False  # the server has said so

    def __init__(self, backend: "Backend", *args: Any, **options: Any) -> None:
        backend.last = self
        super().__init__(*args, **options)

    def getreply(self) -> tuple[int, bytes]:
        code, answer = super().getreply()
        if code == 354:  # it waits for the text now
            self.handed_over = True
        return code, answer

    def data(self, msg: Any) -> tuple[int, bytes]:
        code, answer = super().data(msg)
        self.taken = code == 250
        return code, answer


class Backend(EmailBackend):
    """Django's, whose connection can be asked afterwards how far it came. It sends one mail."""

    last: Connection | None = None

    def __init__(self) -> None:
        super().__init__(timeout=TIMEOUT_SECONDS)

    @property
    def connection_class(self) -> Callable[..., Connection]:  # type: ignore[override]
        """See EmailBackend."""
        return partial(Connection, self)

    def socket(self) -> socket.socket | None:
        """What is open now."""
        return self.last.sock if self.last else None


def send_mail(mail: EmailMultiAlternatives) -> Outcome:
    """Hand a mail for one recipient over to the SMTP server, once."""
    backend = Backend()
    with cut_off_after(SECONDS_IN_ALL, backend.socket):
        try:
            backend.send_messages([mail])
        except SMTPRecipientsRefused as refused:
            [(code, text)] = refused.recipients.values()
            return refused_recipient(code, text)
        except (SMTPException, OSError) as error:
            return failed(error, backend.last)
    return Outcome(DispatchStatus.SENT, "250")


def mail_of(letter: Letter) -> EmailMultiAlternatives:
    """Text and HTML, of the same words."""
    context = {
        "number": letter.number,
        "link": settings.ORDER_URL.replace("{order_id}", str(letter.order_id)),
        "subject": letter.subject,
        **letter.facts,
    }
    text = render_to_string(f"notifications/{letter.kind}.txt", context)
    mail = EmailMultiAlternatives(
        subject=f"{letter.subject} ({letter.number})",
        body=text,
        from_email=settings.EMAIL_FROM,
        to=[letter.address],
        headers={
            "Message-ID": message_id(letter.key),
            "Auto-Submitted": "auto-generated",  # so that nobody's holidays answer
        },
    )
    html = render_to_string(f"notifications/{letter.kind}.html", context)
    mail.attach_alternative(html, "text/html")
    return mail


def message_id(key: str) -> str:
    """The same for every copy of a message: who gets two can tell that they are one."""
    domain = parseaddr(settings.EMAIL_FROM)[1].rpartition("@")[2] or "localhost"
    return f"<{key}@{domain}>"


def refused_recipient(code: int, text: bytes | str) -> Outcome:
    """The server does not take mail for this address: never (5xx), or not now (4xx)."""
    said = code_of(code, text)
    if code < 500:
        return Outcome(DispatchStatus.QUEUED, said)
    enhanced = said.partition(" ")[2]
    gone = enhanced.startswith("5.1.") or (not enhanced and code in NO_SUCH_MAILBOX)
    return Outcome(DispatchStatus.REFUSED, said, bad_address=gone)


def failed(error: Exception, connection: Connection | None) -> Outcome:
    """The server has said no to the mail, or to us before it, or nothing. What came before the mail
    is for an operator, and not the customer's fault: it is tried again."""
    if connection and connection.taken:
        return Outcome(DispatchStatus.SENT, "250")
    if isinstance(error, SMTPDataError) and error.smtp_code >= 400:  # an answer to this very mail
        said = code_of(error.smtp_code, error.smtp_error)
        refused = error.smtp_code >= 500
        return Outcome(DispatchStatus.REFUSED if refused else DispatchStatus.QUEUED, said)
    handed_over = connection is not None and connection.handed_over
    status = DispatchStatus.UNKNOWN if handed_over else DispatchStatus.QUEUED
    if isinstance(error, SMTPResponseException) and error.smtp_code >= 400:
        return Outcome(status, code_of(error.smtp_code, error.smtp_error))
    return Outcome(status, type(error).__name__)


def code_of(code: int, text: bytes | str) -> str:
    """The numbers of an answer; its words may hold the address."""
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    found = ENHANCED.search(words)
    return f"{code} {found[0]}" if found else str(code)
