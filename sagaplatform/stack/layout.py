"""Where the stack keeps its things."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sagaplatform.stack.files import own_folder


@dataclass(frozen=True)
class Layout:
    """`root` is the project (manage.py); `home` holds everything that the stack writes."""

    root: Path
    home: Path

    @property
    def logs(self) -> Path:
        return self.home / "log"

    @property
    def ports(self) -> Path:
        return self.home / "ports.json"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets.json"

    @property
    def app_env(self) -> Path:
        return self.home / "app.env"

    @property
    def owner_env(self) -> Path:
        return self.home / "owner.env"

    @property
    def kafka(self) -> Path:
        return self.home / "kafka"

    @property
    def supervisor_config(self) -> Path:
        return self.home / "supervisord.conf"

    @property
    def setup_lock(self) -> Path:
        return self.home / "setup.lock"

    @property
    def users(self) -> Path:
        return self.home / "users"

    @property
    def metrics(self) -> Path:
        """Where the platform's processes add up their metrics."""
        return self.home / "metrics"

    @property
    def tag(self) -> str:
        """A short name of this home, for the few things that must live outside it."""
        return hashlib.sha256(str(self.home).encode()).hexdigest()[:12]

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.users):
            own_folder(folder, 0o700)  # customers' data pass through the logs


def checkout() -> Path:
    """The checkout that this file belongs to."""
    return Path(__file__).resolve().parents[2]
