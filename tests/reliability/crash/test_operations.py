"""A person's move is cut short, before its commit and after it: all of it happened, or nothing."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from tests.sagas.test_watchdog import Desk

ROOT = Path(__file__).parent.parent.parent.parent
pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection]) -> Desk:
    return Desk(databases["sagas"])


def compensate_and_die(saga_id: UUID, failpoint: str, folder: Path) -> None:
    """`manage.py sagas compensate`, which is killed at the failpoint."""
    spent = folder / "spent"
    environ = {**os.environ, "FAILPOINT": failpoint, "FAILPOINT_SPENT": str(spent)}
    words = ["compensate", str(saga_id), "--reason", "The customer called", "--yes"]
    result = subprocess.run(
        [sys.executable, "manage.py", "sagas", *words],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, spent.exists()) == (-9, True), result.stderr


def audited(desk: Desk) -> int:
    row = desk.owner.execute("SELECT count(*) FROM sagas_operatoraction").fetchone()
    assert row
    return int(row[0])


def test_before_its_commit_nothing_has_happened(desk: Desk, tmp_path: Path) -> None:
    saga_id = desk.saga_at("create_shipment")
    before = desk.saga(saga_id)
    desk.sent()

    compensate_and_die(saga_id, "operation.before_commit", tmp_path)

    assert (desk.saga(saga_id), desk.sent(), audited(desk)) == (before, [], 0)


def test_after_its_commit_all_has_happened_and_the_sweeper_sends(
    desk: Desk, tmp_path: Path
) -> None:
    saga_id = desk.saga_at("create_shipment")
    desk.sent()

    compensate_and_die(saga_id, "operation.after_commit", tmp_path)

    assert desk.saga(saga_id)[:3] == ("compensating", "create_shipment", "undo")
    assert desk.sent() == [("CancelShipment", "create_shipment")]
    assert audited(desk) == 1
