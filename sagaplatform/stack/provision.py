"""Databases and roles: one database per context, that no other context's role can even enter.

A context has an owner role (migrations, which alone may create tables) and a run-time role (rows
only). Everything here can be repeated, on servers with data too.
"""

from collections.abc import Mapping

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from sagaplatform.stack import postgres
from sagaplatform.stack.environment import ALIASES, Secrets, database, owner_role, run_time_role

LIMITS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}

# One at a time, until the connection ends: two that alter the same role fail.
TAKE_LOCK = SQL("SELECT pg_advisory_lock(hashtext('provision'))")
CREATE_ROLE = SQL("CREATE ROLE {role} LOGIN")
SET_PASSWORD = SQL(
    "ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {password}"
)
LIMIT_ROLE = SQL("ALTER ROLE {role} SET {setting} = {value}")
CREATE_DATABASE = SQL("CREATE DATABASE {database} OWNER {owner}")
CLOSE_DATABASE = SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC")
OPEN_DATABASE = SQL("GRANT CONNECT ON DATABASE {database} TO {owner}, {app}")
# What the owner creates later is usable at run time at once; nothing is granted on tables that
# exist, for a migration may have taken rights away from some (append-only history).
OPEN_SCHEMA = (
    SQL("ALTER SCHEMA public OWNER TO {owner}"),
    SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC"),
    SQL("GRANT USAGE ON SCHEMA public TO {app}"),
    SQL(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}"
    ),
    SQL(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
        " GRANT USAGE, SELECT ON SEQUENCES TO {app}"
    ),
)


def provision(kept: Secrets, port: int, *, test: bool = False) -> None:
    """Bring roles and databases (`test`: the second set, test_saga_*) to the state described."""
    with postgres.connect(kept, port) as server:
        server.execute(TAKE_LOCK)
        _provision_roles(server, kept.roles)
        for name in ("postgres", "template1"):
            server.execute(CLOSE_DATABASE.format(database=Identifier(name)))
        for alias in ALIASES:
            _provision_database(server, alias, database(alias, test=test))
        for alias in ALIASES:
            with postgres.connect(kept, port, database(alias, test=test)) as inside:
                _open_schema(inside, alias)


def _provision_roles(server: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    existing = {row[0] for row in server.execute("SELECT rolname FROM pg_roles")}
    for role, password in passwords.items():
        if role not in existing:
            server.execute(CREATE_ROLE.format(role=Identifier(role)))
        words = {"role": Identifier(role), "password": Literal(password)}
        server.execute(SET_PASSWORD.format(**words))
    for alias in ALIASES:
        _limit(server, run_time_role(alias))


def _limit(server: psycopg.Connection, role: str) -> None:
    for setting, value in LIMITS.items():
        words = {"setting": Identifier(setting), "value": Literal(value)}
        server.execute(LIMIT_ROLE.format(role=Identifier(role), **words))


def _provision_database(server: psycopg.Connection, alias: str, name: str) -> None:
    words = {"database": Identifier(name), **_roles(alias)}
    known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if known is None:
        server.execute(CREATE_DATABASE.format(**words))
    server.execute(CLOSE_DATABASE.format(**words))
    server.execute(OPEN_DATABASE.format(**words))


def _open_schema(inside: psycopg.Connection, alias: str) -> None:
    for statement in OPEN_SCHEMA:
        inside.execute(statement.format(**_roles(alias)))


def _roles(alias: str) -> dict[str, Identifier]:
    return {
        "owner": Identifier(owner_role(alias)),
        "app": Identifier(run_time_role(alias)),
    }
