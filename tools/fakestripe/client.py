"""Starts a server and works its switches, from a test or a script.

with Server.start("stripe.sqlite3") as server:
    server.control.fault("capture", "answer_lost")
    ...
    assert server.control.ledger()["double_charges"] == []
"""

import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import requests

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 10.0  # seconds


class Control:
    """The control API of a running server. Raises ValueError for what makes no sense to it."""

    def __init__(self, address: str) -> None:
        self.address = address

    # --- switches

    def fault(
        self, operation: str, kind: str, *, times: int = 1, seconds: float | None = None
    ) -> None:
        """Let the next calls of an operation go wrong; kinds queue up in the order they come."""
        self._post("faults", operation=operation, kind=kind, times=times, seconds=seconds)

    def chance(
        self,
        operation: str,
        kind: str,
        percent: float,
        *,
        seed: str | int = 1,
        seconds: float | None = None,
    ) -> None:
        """Let a share of an operation's calls go wrong."""
        self._post(
            "faults", operation=operation, kind=kind, percent=percent, seed=seed, seconds=seconds
        )

    def webhook_fault(
        self, event: str, kind: str, *, times: int = 1, seconds: float | None = None
    ) -> None:
        """Let the next webhooks of a type (or `any`) go wrong."""
        self._post("faults", event=event, kind=kind, times=times, seconds=seconds)

    def webhook_chance(
        self,
        event: str,
        kind: str,
        percent: float,
        *,
        seed: str | int = 1,
        seconds: float | None = None,
    ) -> None:
        """Let a share of the webhooks of a type (or `any`) go wrong."""
        self._post("faults", event=event, kind=kind, percent=percent, seed=seed, seconds=seconds)

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self._call("DELETE", "faults")

    def faults(self) -> list[Json]:
        """What is switched on."""
        return list(self._call("GET", "faults")["faults"])

    def release(self) -> None:
        """Let go all calls that hang or are slow."""
        self._post("release")

    def advance(self, seconds: float) -> None:
        """Put the server's clock forward; what is due then is done when this returns."""
        self._post("clock", advance=seconds)

    def set(self, **settings: Any) -> None:
        """Change settings: hold_seconds, refund_seconds, processing_seconds, search_lag_seconds,
        webhook_url, webhook_secret."""
        self._call("POST", "settings", settings)

    def authenticate(self, payment: str, *, approved: bool) -> str:
        """Answer the bank for the customer; returns the payment's status."""
        answer = self._post(f"payments/{payment}/authenticate", approved=approved)
        return str(answer["status"])

    def dispute(self, payment: str, *, reason: str = "fraudulent") -> str:
        """Let the cardholder's bank dispute a payment; returns the dispute's id."""
        return str(self._post(f"payments/{payment}/dispute", reason=reason)["id"])

    def close_dispute(self, dispute: str, *, won: bool) -> None:
        """Decide a dispute."""
        self._post(f"disputes/{dispute}/close", won=won)

    def reset(self) -> None:
        """Forget everything but where webhooks go."""
        self._post("reset")

    # --- what has happened

    def ledger(self) -> Json:
        """`payments`, `orders` (held, captured, refunded of each order_id) and `double_charges`."""
        return self._call("GET", "ledger")

    def calls(self) -> list[Json]:
        """The calls of the API, in order."""
        return list(self._call("GET", "calls")["calls"])

    def deliveries(self) -> list[Json]:
        """The webhooks that were sent, or will be."""
        return list(self._call("GET", "deliveries")["deliveries"])

    # --- pieces

    def _post(self, path: str, **given: Any) -> Json:
        return self._call(
            "POST", path, {name: value for name, value in given.items() if value is not None}
        )

    def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        url = f"{self.address}/_control/{path}"
        response = requests.request(method, url, json=body, timeout=PATIENCE)
        if response.status_code == 400:
            raise ValueError(response.json()["error"])
        response.raise_for_status()
        answer: Json = response.json()
        return answer


class Server:
    """A server in a process of its own, ended with the `with` block."""

    module = "tools.fakestripe"
    control_type = Control

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address
        self.control = self.control_type(address)

    @classmethod
    def start(cls, data: str | Path, *arguments: str, port: int = 0) -> Self:
        """Start one; returns when it listens. Raises RuntimeError if it ends before."""
        process = subprocess.Popen(  # noqa: S603 -- our own module
            [
                sys.executable,
                "-m",
                cls.module,
                "--port",
                str(port),
                "--data",
                str(data),
                *arguments,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.stdout.close()
            raise RuntimeError(f"{cls.module} ended with code {process.wait()}")
        return cls(process, line.split()[-1])

    def stop(self) -> None:
        """End it as Ctrl-C would; nothing happens if it has ended."""
        self.process.terminate()
        self._gone()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self._gone()

    def _gone(self) -> None:
        self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
