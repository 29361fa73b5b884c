"""Keeps what each conservation check found, so that pages can tell how old the last proof is."""

from datetime import timedelta

from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.ops.conservation.check import Proof
from apps.ops.models import ConservationCheck


def write_down(proof: Proof, took: timedelta) -> ConservationCheck:
    """Keep the outcome of a check."""
    laws = [each.as_json() for each in proof.verdicts]
    return ConservationCheck.objects.create(
        id=uuid7(),
        checked_at=timezone.now(),
        seconds=round(took.total_seconds(), 3),
        laws=len(laws),
        checked=sum(each["checked"] for each in laws),
        violations=sum(each["violations"] for each in laws),
        broken=[each for each in laws if each["violations"]],
        live_sagas=proof.unfinished.live,
    )


def last_check() -> ConservationCheck | None:
    """The newest one; None: there was none yet."""
    return ConservationCheck.objects.order_by("-id").first()
