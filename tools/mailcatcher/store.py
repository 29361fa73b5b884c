"""What was caught, in one SQLite file."""

import json
import sqlite3
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

Json = dict[str, Any]

TABLES = """
CREATE TABLE IF NOT EXISTS mails (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
  raw BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pushes (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, headers TEXT NOT NULL, body TEXT NOT NULL);
"""


class Store:
    """Mails and pushes, the oldest first."""

    def __init__(self, path: str) -> None:
        self.file = sqlite3.connect(path, isolation_level=None)
        self.file.executescript(TABLES)

    def close(self) -> None:
        self.file.close()

    def clear(self) -> None:
        """Forget everything."""
        self.file.executescript("DELETE FROM mails; DELETE FROM pushes;")

    def keep_mail(self, sender: str, recipient: str, raw: bytes) -> None:
        """A mail, once for each of its recipients."""
        self.file.execute(
            "INSERT INTO mails (at, sender, recipient, raw) VALUES (?, ?, ?, ?)",
            (now(), sender, recipient, raw),
        )

    def keep_push(self, headers: dict[str, str], body: str) -> None:
        """A push as it was posted."""
        self.file.execute(
            "INSERT INTO pushes (at, headers, body) VALUES (?, ?, ?)",
            (now(), json.dumps(headers), body),
        )

    def mails(self) -> list[Json]:
        """All of them, taken apart."""
        rows = self.file.execute("SELECT id, at, sender, recipient, raw FROM mails ORDER BY id")
        return [mail(*row) for row in rows]

    def mail(self, id: int) -> Json | None:
        """One of them."""
        row = self.file.execute(
            "SELECT id, at, sender, recipient, raw FROM mails WHERE id = ?", (id,)
        ).fetchone()
        return mail(*row) if row else None

    def pushes(self) -> list[Json]:
        """All of them."""
        rows = self.file.execute("SELECT id, at, headers, body FROM pushes ORDER BY id")
        return [
            {"id": id, "at": at, "headers": json.loads(headers), "body": body}
            for id, at, headers, body in rows
        ]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def mail(id: int, at: str, sender: str, recipient: str, raw: bytes) -> Json:
    """A mail taken apart: its headers, its text, its HTML."""
    message = message_from_bytes(raw, policy=default)
    return {
        "id": id,
        "at": at,
        "sender": sender,
        "recipient": recipient,
        "subject": str(message.get("Subject", "")),
        "message_id": str(message.get("Message-ID", "")),
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": part(message, "plain"),
        "html": part(message, "html"),
    }


def part(message: EmailMessage, kind: str) -> str:
    """The first part of a kind; empty where there is none."""
    found = message.get_body((kind,))
    return str(found.get_content()) if found else ""
