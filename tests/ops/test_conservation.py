"""The conservation check: nothing to say of a sound platform, and each broken law is named."""

from datetime import timedelta

from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from tests.ops.world import buy, deliver

AT_ONCE = Patience(timedelta(0), timedelta(0), second_look=0.0)


def broken() -> set[str]:
    """The laws that the check names."""
    proof = prove(AT_ONCE)
    return {verdict.law.id for verdict in proof.verdicts if verdict.faults}


def test_a_sound_platform_breaks_no_law(shop):
    buy(tea=1)
    buy(tea=2, cup=1, gift_wrap=True)
    buy(tea=100)
    deliver(shop)
    proof = prove(AT_ONCE)
    assert [verdict.faults for verdict in proof.verdicts] == [()] * len(proof.verdicts)
    assert proof.holds
