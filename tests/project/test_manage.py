"""What `manage.py` says when it cannot work, on a developer's machine and elsewhere."""

import os
import subprocess
import sys

import pytest

from tests.running import ROOT


def manage(*words: str, **environ: str) -> tuple[int, str]:
    """How a command ends, and what it complains of."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_a_database_that_is_away_is_told_with_the_setting_that_names_it() -> None:
    away = "postgres://nobody:nothing@127.0.0.1:1/nowhere"

    status, told = manage("sagas", "list", DATABASE_URL_SAGAS=away)

    assert status == 1
    assert "A database does not answer" in told
    assert "Start it, or correct its DATABASE_URL_…. A local stack is started by `make up`." in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("METRICS_PORT", "everywhere", '"METRICS_PORT" invalid'),
        ("ORDERS_PER_MINUTE", "-1", "ORDERS_PER_MINUTE is -1; give a number from 0 up"),
        ("TRACE_SHARE", "-0.5", "TRACE_SHARE is -0.5; give a number from 0 up"),
    ],
)
def test_a_setting_that_is_wrong_is_told(setting: str, value: str, complaint: str) -> None:
    status, told = manage("check", **{setting: value})

    assert status == 1
    assert complaint in told
    assert "Set it as .env.example says; for a local stack `make up` sets all." in told
