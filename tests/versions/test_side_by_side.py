"""Old and new code side by side: each saga ends on the version that it began with.

Real consumers of both, in the same groups, share the partitions, so that either may get any
message. What the old one does not know it parks; when it is gone, that is sent again.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from waffle.testutils import override_switch

from apps.contracts.plan import Mode, Plan
from apps.messaging.audit import Actor
from apps.messaging.database import Database
from apps.messaging.dead_letter_operations import replay_letter
from apps.messaging.dead_letter_rows import list_letters
from apps.messaging.relay import relay
from apps.messaging.topics import own_topics
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from apps.processes import registry
from sagaplatform.env import CONTEXTS
from tests.e2e.world import basket, buy, drive, open_shop
from tests.kafka import empty
from tests.running import Platform
from tests.versions.old_code import OLD

Databases = dict[str, psycopg.Connection]
OLD_CONTEXTS = tuple(each for each in CONTEXTS if each != "fraud")
OLD_CODE = (sys.executable, "-m", "tests.versions.old_code")
OPERATOR = Actor(id=None, name="test")
ENDED = "SELECT version, status, plan FROM sagas_saga"
CHECKED = "SELECT saga_id FROM sagas_sagastep WHERE step = 'check_fraud' AND outcome = 'done'"


@pytest.fixture
def platform(
    owners: dict[str, psycopg.Connection], databases: Databases, topics: None, tmp_path: Path
) -> Iterator[Platform]:
    """Nothing runs yet; the shop is open."""
    empty(*own_topics())
    open_shop()
    platform = Platform(owners, tmp_path)
    yield platform
    platform.stop()


def start_old(platform: Platform) -> None:
    """The consumers of the deployment before."""
    for context in OLD_CONTEXTS:
        platform.run(f"old-{context}", *OLD_CODE, "run_consumer", context)


def start_new(platform: Platform, contexts: Iterable[str]) -> None:
    """Consumers of the new deployment, until they are at work beside the old ones."""
    names = list(contexts)
    platform.start(names)
    logs = [platform.logs / f"{name}.log" for name in names]
    platform.wait_until(
        lambda: all("consumer_started" in each.read_text() for each in logs), "the new consumers"
    )


def stop_old(platform: Platform) -> None:
    """An orderly stop, as a rolling deployment does it."""
    for name in [each for each in platform.processes if each.startswith("old-")]:
        process = platform.processes.pop(name)
        process.terminate()
        process.wait(90)


def buy_old(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Orders that a web process of the old code takes."""
    with monkeypatch.context() as patch:
        patch.setattr(registry, "LIVE", OLD)
        for _ in range(count):
            buy(basket(tea=1))


def parked() -> list[tuple[str, str]]:
    """Context and kind of error of all that stands parked."""
    return [
        (context, letter.error_type)
        for context in CONTEXTS
        for letter in list_letters(Database(context), status="parked", limit=1000)
    ]


def send_parked_again() -> None:
    """What an operator does after the deploy."""
    for context in CONTEXTS:
        for letter in list_letters(Database(context), status="parked", limit=1000):
            replay_letter(
                context=context, letter_id=letter.id, version=letter.version, actor=OPERATOR,
                reason="the code that knows it is deployed",
            )  # fmt: skip
        relay(context).send_off()


@pytest.mark.parametrize("mode", list(Mode))
def test_every_saga_ends_on_the_version_that_it_began_with(
    platform: Platform, databases: Databases, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    drive(mode)
    start_old(platform)
    buy_old(monkeypatch, 5)
    platform.wait_until_ended(5)
    platform.kill("old-payments")  # so that what follows stays in flight
    buy_old(monkeypatch, 15)

    start_new(platform, [each for each in CONTEXTS if each != "payments"])
    for number in range(18):  # the flag is flipped under load
        with override_switch("check_fraud", active=number % 2 == 0):
            buy(basket(tea=1, cup=1))
    buy_old(monkeypatch, 5)  # by a web process that is not replaced yet
    start_new(platform, ["payments"])
    platform.wait_until(lambda: bool(parked()), "the old code to meet what it does not know")
    stop_old(platform)
    assert {error for _, error in parked()} == {"NoDefinition"}
    send_parked_again()
    platform.wait_until_ended(43)

    assert parked() == []
    found = databases["sagas"].execute(ENDED).fetchall()
    plans = [Plan.from_header(header) for _, _, header in found]
    assert Counter((version, status) for version, status, _ in found) == {
        (1, "confirmed"): 25, (2, "confirmed"): 18,
    }  # fmt: skip
    assert [each.version for each in plans] == [version for version, _, _ in found]
    assert sum("check_fraud" in each.steps for each in plans) == 9
    assert len(databases["sagas"].execute(CHECKED).fetchall()) == 9
    proof = prove(Patience(moment=timedelta(0)))
    assert {str(each.law): each.faults for each in proof.verdicts if each.faults} == {}
