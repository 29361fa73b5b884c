"""Starts a server and works its switches, from a test or a script.

with Server.start("mail.sqlite3") as server:
    server.fault("greylist", times=2)
    ...
    [mail] = server.mails()
"""

import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import requests

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 15.0  # seconds


class Server:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], smtp_port: int, address: str) -> None:
        self.process, self.smtp_port, self.address = process, smtp_port, address

    @classmethod
    def start(cls, data: Path | str, *options: str) -> Self:
        """Start one on free ports. Raises RuntimeError where it ends at once."""
        command = [sys.executable, "-m", "tools.mailcatcher", "--smtp-port", "0", "--port", "0"]
        process = subprocess.Popen(  # noqa: S603  ours
            [*command, "--data", str(data), *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        words = process.stdout.readline().split()  # ends with its end, too
        if not words:
            raise RuntimeError(f"mailcatcher ended with {process.wait()}")
        return cls(process, int(words[words.index("at") + 1]), words[-1])

    def stop(self) -> None:
        """End it, and wait until it has."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        assert self.process.stdout
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_an_error: object) -> None:
        self.stop()

    @property
    def push_url(self) -> str:
        """Where pushes are kept."""
        return f"{self.address}/push"

    def mails(self) -> list[Json]:
        """What was caught, the oldest first."""
        return list(self._call("GET", "mails")["mails"])

    def pushes(self) -> list[Json]:
        """What was pushed, the oldest first."""
        return list(self._call("GET", "pushes")["pushes"])

    def clear(self) -> None:
        """Forget mails, pushes and faults."""
        self._call("DELETE", "all")

    def fault(self, kind: str, **given: Any) -> None:
        """Let something go wrong: `times`, for a `recipient`, by so many `seconds`."""
        self._call("POST", "faults", {"kind": kind, **given})

    def bounce(self, message_id: str, **given: Any) -> Json:
        """Let a mail come back; what the shop answered."""
        return self._call("POST", "bounces", {"message_id": message_id, **given})

    def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        url = f"{self.address}/api/{path}"
        answer = requests.request(method, url, json=body, timeout=PATIENCE)
        if answer.status_code == 400:
            raise ValueError(answer.json()["error"])
        answer.raise_for_status()
        return dict(answer.json())
