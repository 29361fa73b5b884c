"""The whole check: all laws on one moment of all databases."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from apps.ops.conservation import engine
from apps.ops.conservation.laws import LAWS_OF_VIEWS, laws_of_sagas
from apps.ops.conservation.proof import Patience, Tallies, Tally, Verdict, View, look_twice
from apps.ops.conservation.sagas_seen import ended_sagas
from apps.ops.conservation.snapshot import snapshots


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked, and what differs."""

    verdicts: tuple[Verdict, ...]
    live: engine.Live

    @property
    def holds(self) -> bool:
        return not any(verdict.faults for verdict in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "live_sagas": self.live.sagas,
            "oldest_live_seconds": round(self.live.oldest_seconds, 1),
            "laws": [verdict.as_json() for verdict in self.verdicts],
        }


def prove(patience: Patience | None = None) -> Proof:
    """Check every law; what differs is looked at twice. Reads only."""
    verdicts = look_twice(look, patience or Patience())
    ordered = sorted(verdicts, key=lambda verdict: verdict.law.id)
    return Proof(tuple(ordered), engine.live())


def look(patience: Patience) -> Tallies:
    """All laws on one moment of all databases."""
    with snapshots() as now:
        view = View(now, now - patience.moment, now - patience.overdue)
        tallies: Tallies = {}
        for law, check in LAWS_OF_VIEWS.items():
            check(view, tallies.setdefault(law, Tally()))
        return tallies | look_at_sagas(view)


def look_at_sagas(view: View) -> Tallies:
    """The laws that each ended saga obeys, saga by saga."""
    laws = laws_of_sagas()
    tallies = {law: Tally() for law in laws}
    for saga in ended_sagas(view.settled_before):
        for law, check in laws.items():
            tallies[law].look(f"saga {saga.saga_id}", check(saga))
    return tallies
