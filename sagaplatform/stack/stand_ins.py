"""Servers of ours in place of those of others that the shop talks to, to develop against.

Each is started with the platform, unless the environment names the real one. THE place to add one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sagaplatform.stack.environment import Secrets
from sagaplatform.stack.ports import LOOPBACK
from sagaplatform.stack.processes import Process

LOCAL_KEY = "sk_test_local"  # any test key opens the stand-in for Stripe, which holds no money


@dataclass(frozen=True)
class StandIn:
    """One of them, and the settings by which the platform finds it."""

    process: Process
    port: str  # a name in ports.PORTS
    page: str  # what a person sees at its address
    instead_of: str  # the setting that names the real one
    settings: Callable[[int, Secrets], dict[str, str]]  # by its port

    def is_wanted(self, environ: Mapping[str, str]) -> bool:
        """Whether nobody names the real one. A shell that loaded app.env names ours."""
        return environ.get(self.instead_of, "") in ("", LOCAL_KEY)


def _stripe(port: int, kept: Secrets) -> dict[str, str]:
    return {
        "STRIPE_API_KEY": LOCAL_KEY,
        "STRIPE_API_BASE": f"http://{LOOPBACK}:{port}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{kept.webhooks}",
        # Banks send their customers back somewhere: there, all payments are to be seen.
        "CARD_RETURN_URL": f"http://{LOOPBACK}:{port}/",
    }


GATEWAY = StandIn(
    Process(
        "gateway",
        "python -m tools.fakestripe --port $GATEWAY_PORT --data {home}/gateway.sqlite3"
        f" --webhook http://{LOOPBACK}:$WEB_PORT/webhooks/stripe",
    ),
    port="gateway",
    page="Cards     {address}/   (a stand-in for Stripe: payments, and faults to switch on)",
    instead_of="STRIPE_API_KEY",
    settings=_stripe,
)
STAND_INS = (GATEWAY,)
