"""The whole check: all laws on one moment of all databases."""

from dataclasses import dataclass
from typing import Any

from apps.ops.conservation import engine
from apps.ops.conservation.laws import LAWS_OF_VIEWS, laws_of_sagas
from apps.ops.conservation.messages import reaction_steps
from apps.ops.conservation.proof import Patience, Sight, Tallies, Tally, Verdict, View, look_twice
from apps.ops.conservation.sagas_seen import ended_sagas
from apps.ops.conservation.snapshot import snapshots


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked, and what differs."""

    verdicts: tuple[Verdict, ...]
    live: engine.Live
    unsettled: int  # confirmed sagas that are left out, for they are not shipped yet

    @property
    def holds(self) -> bool:
        return not any(verdict.faults for verdict in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "live_sagas": self.live.sagas,
            "oldest_live_seconds": round(self.live.oldest_seconds, 1),
            "unsettled_sagas": self.unsettled,
            "laws": [verdict.as_json() for verdict in self.verdicts],
        }


def prove(patience: Patience | None = None) -> Proof:
    """Check every law; what differs is looked at twice. Reads only."""
    verdicts, unsettled = look_twice(look, patience or Patience())
    ordered = sorted(verdicts, key=lambda verdict: verdict.law.id)
    return Proof(tuple(ordered), engine.live(), unsettled)


def look(patience: Patience) -> Sight:
    """All laws on one moment of all databases."""
    with snapshots() as now:
        view = View.at(now, patience)
        tallies: Tallies = {law: Tally() for law in LAWS_OF_VIEWS}
        for law, check in LAWS_OF_VIEWS.items():
            check(view, tallies[law])
        of_sagas, unsettled = look_at_sagas(view)
        return Sight(tallies | of_sagas, unsettled)


def look_at_sagas(view: View) -> Sight:
    """The laws that each ended saga obeys, saga by saga."""
    reactions = reaction_steps()
    laws = laws_of_sagas(reactions)
    sight = Sight({law: Tally() for law in laws}, 0)
    for saga in ended_sagas(view.settled_before):
        if saga.ended_at >= view.shipped_before and not saga.has_settled(reactions):
            sight = sight._replace(unsettled=sight.unsettled + 1)
            continue
        for law, check in laws.items():
            sight.tallies[law].look(f"saga {saga.saga_id}", check(saga))
    return sight
