"""Servers of ours in place of those of others that the shop talks to, to develop against.

Each is started with the platform, unless the environment names the real one. THE place to add one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sagaplatform.stack.environment import Secrets
from sagaplatform.stack.ports import LOOPBACK
from sagaplatform.stack.processes import Process

Ports = Mapping[str, int]
LOCAL_KEY = "sk_test_local"  # any test key opens the stand-in for Stripe, which holds no money
WEBHOOKS = f"http://{LOOPBACK}:$WEB_PORT/webhooks"


@dataclass(frozen=True)
class StandIn:
    """One of them, and the settings by which the platform finds it."""

    process: Process
    ports: tuple[str, ...]  # names in ports.PORTS; at the first one a person sees a page
    page: str
    is_wanted: Callable[[Mapping[str, str]], bool]  # by the environment
    settings: Callable[[Ports, Secrets], dict[str, str]]


# --- cards


def _no_key_of_stripes(environ: Mapping[str, str]) -> bool:
    """A shell that loaded app.env has ours."""
    return environ.get("STRIPE_API_KEY", "") in ("", LOCAL_KEY)


def _stripe(ports: Ports, kept: Secrets) -> dict[str, str]:
    address = f"http://{LOOPBACK}:{ports['gateway']}"
    return {
        "STRIPE_API_KEY": LOCAL_KEY,
        "STRIPE_API_BASE": address,
        "STRIPE_WEBHOOK_SECRET": f"whsec_{kept.webhooks}",
        "STRIPE_PER_SECOND": "0",  # ours has no limit
        # Banks send their customers back somewhere: there, all payments are to be seen.
        "CARD_RETURN_URL": f"{address}/",
    }


GATEWAY = StandIn(
    Process(
        "gateway",
        "python -m tools.fakestripe --port $GATEWAY_PORT --data {home}/gateway.sqlite3"
        f" --webhook {WEBHOOKS}/stripe",
    ),
    ports=("gateway",),
    page="Cards     {address}/   (a stand-in for Stripe: payments, and faults to switch on)",
    is_wanted=_no_key_of_stripes,
    settings=_stripe,
)

# --- parcels


def _by_http(environ: Mapping[str, str]) -> bool:
    """The house's own van needs no server; CARRIER=http sends parcels by one."""
    return environ.get("CARRIER") == "http"


def _carrier(ports: Ports, kept: Secrets) -> dict[str, str]:
    return {
        "CARRIER_URL": f"http://{LOOPBACK}:{ports['carrier']}",
        "CARRIER_API_KEY": "test_local",
        "CARRIER_NAME": "Fake Parcels",
        "CARRIER_WEBHOOK_SECRET": kept.webhooks,
    }


CARRIER = StandIn(
    Process(
        "carrier",
        "python -m tools.fakecarrier --port $CARRIER_PORT --data {home}/carrier.sqlite3"
        f" --collect-after 1 --webhook {WEBHOOKS}/carrier",
    ),
    ports=("carrier",),
    page="Parcels   {address}/   (a stand-in for a carrier)",
    is_wanted=_by_http,
    settings=_carrier,
)

# --- mail


def _no_mail_server(environ: Mapping[str, str]) -> bool:
    return environ.get("EMAIL_HOST", "") in ("", LOOPBACK)


def _mail(ports: Ports, kept: Secrets) -> dict[str, str]:
    return {
        "EMAIL_HOST": LOOPBACK,
        "EMAIL_PORT": str(ports["smtp"]),
        "MAIL_WEBHOOK_SECRET": kept.webhooks,
        "NOTIFY_WEBHOOK_SECRET": kept.webhooks,
    }


MAIL = StandIn(
    Process(
        "mail",
        "python -m tools.mailcatcher --smtp-port $SMTP_PORT --port $MAIL_PORT"
        f" --data {{home}}/mail.sqlite3 --webhook {WEBHOOKS}/mail",
    ),
    ports=("mail", "smtp"),
    page="Mail      {address}/   (what customers were sent)",
    is_wanted=_no_mail_server,
    settings=_mail,
)
STAND_INS = (GATEWAY, CARRIER, MAIL)
