"""The ways by which an alert reaches people. Each has a consumer group of its own, so that one that
is away holds up no other."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any, NamedTuple

import requests
import structlog
from django.conf import settings
from django.core.mail import send_mail
from requests.adapters import HTTPAdapter

from apps.ops.alerts.words import Alert

log = structlog.get_logger()

TIMEOUT_SECONDS = (3, 10)  # to connect, and for each read
SECONDS_IN_ALL = 15.0  # for one call of the webhook


class NotTaken(OSError):
    """The webhook answered, but not that it has taken the alert. Its `status` says what it said."""

    def __init__(self, status: int) -> None:
        super().__init__(self.__doc__)
        self.status = status


class Way(NamedTuple):
    """One way out, and who goes it."""

    name: str
    send: Callable[[Alert], None]  # raises an error where the alert did not go out

    @property
    def group(self) -> str:
        """The consumer group that reads for it, as `new_consumer` takes it."""
        return f"alerts-{self.name}"


def to_log(alert: Alert) -> None:
    """A line in the log of this process."""
    log.warning("alert", subject=alert.subject, facts=alert.facts)


def by_mail(alert: Alert) -> None:
    """To all addresses of ALERT_MAIL_TO. Raises OSError (smtplib's errors are such)."""
    send_mail(alert.subject, alert.text, settings.ALERT_MAIL_FROM, settings.ALERT_MAIL_TO)


def by_webhook(alert: Alert) -> None:
    """A POST of JSON to ALERT_WEBHOOK_URL, answered with a success in SECONDS_IN_ALL. A redirect is
    none: who follows it asks with GET, and tells nothing.

    Raises NotTaken, or requests.RequestException, whose text has the address: a secret, with many.
    """
    body = {"subject": alert.subject, "text": alert.text, **alert.facts}
    with _session() as session:
        answer = session.post(
            settings.ALERT_WEBHOOK_URL, json=body, timeout=TIMEOUT_SECONDS,
            allow_redirects=False, stream=True,
        )  # fmt: skip
        with answer:  # of which only the status is read
            if not 200 <= answer.status_code < 300:
                raise NotTaken(answer.status_code)


LOG, MAIL, WEBHOOK = Way("log", to_log), Way("mail", by_mail), Way("webhook", by_webhook)
WAYS = (LOG, MAIL, WEBHOOK)


def chosen_ways() -> list[Way]:
    """Those that are set; the log always is."""
    mail = [MAIL] if settings.ALERT_MAIL_TO else []
    return [LOG, *mail, WEBHOOK] if settings.ALERT_WEBHOOK_URL else [LOG, *mail]


# --- a call that ends


@contextmanager
def _session() -> Iterator[requests.Session]:
    """A session that is cut off when its time is over. The timeouts of requests are for each read:
    to a server that sends a byte now and then it would listen for ever."""
    adapter = _Breakable()
    timer = Timer(SECONDS_IN_ALL, adapter.cut_off)
    timer.daemon = True
    with requests.Session() as session:
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        timer.start()
        try:
            yield session
        finally:
            timer.cancel()


class _Breakable(HTTPAdapter):
    """Keeps the connections that it makes, so that another thread can end them."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Any] = []

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> Any:
        """See HTTPAdapter. Of the pool only the making of connections is changed."""
        pool: Any = super().get_connection_with_tls_context(*args, **more)
        make = pool.ConnectionCls

        def kept(**facts: Any) -> Any:
            self.made.append(make(**facts))
            return self.made[-1]

        pool.ConnectionCls = kept
        return pool

    def cut_off(self) -> None:
        """End what is open: whoever reads there reads no more."""
        for each in self.made:
            with suppress(OSError, AttributeError):  # closed by now, or not yet open
                each.sock.shutdown(socket.SHUT_RDWR)
