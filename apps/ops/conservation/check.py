"""The whole check: all laws on one moment of all databases."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.ops.conservation.gateway import as_payments_says, read_books
from apps.ops.conservation.laws import (
    GATEWAY,
    LAWS_OF_VIEWS,
    laws_of_returns,
    laws_of_sagas,
    laws_of_taking_back,
)
from apps.ops.conservation.messages import parked_messages, reaction_steps
from apps.ops.conservation.proof import (
    Patience,
    Sight,
    Tallies,
    Tally,
    Unfinished,
    Verdict,
    View,
    look_twice,
)
from apps.ops.conservation.sagas_seen import ended_sagas
from apps.ops.conservation.snapshot import snapshots
from apps.processes import CANCEL_ORDER, RETURN_ORDER
from apps.sagas import selectors as sagas


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked, what differs, and what is not spoken of yet."""

    verdicts: tuple[Verdict, ...]
    unfinished: Unfinished

    @property
    def holds(self) -> bool:
        return not any(verdict.faults for verdict in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "live_sagas": self.unfinished.live,
            "oldest_live_seconds": round(self.unfinished.oldest.total_seconds(), 1),
            "unsettled_sagas": self.unfinished.unsettled,
            "parked_messages": self.unfinished.parked,
            "laws": [verdict.as_json() for verdict in self.verdicts],
        }


def prove(patience: Patience | None = None) -> Proof:
    """Check every law; what differs is looked at twice. Reads only."""
    verdicts, unfinished = look_twice(look, patience or Patience())
    return Proof(tuple(sorted(verdicts, key=lambda verdict: verdict.law.id)), unfinished)


def look(patience: Patience) -> Sight:
    """All laws on one moment of all databases. The gateway is read just before, where there is
    one: it takes a while, and no snapshot should be held for it."""
    books = read_books()
    with snapshots() as now:
        view = View.at(now, patience)
        tallies: Tallies = {law: Tally() for law in LAWS_OF_VIEWS}
        if books:
            tallies[GATEWAY] = as_payments_says(books, patience.gateway)
        for law, check in LAWS_OF_VIEWS.items():
            check(view, tallies[law])
        of_sagas, unsettled = look_at_sagas(view)
        return Sight(tallies | of_sagas, Unfinished(*_live(now), unsettled, parked_messages()))


def look_at_sagas(view: View) -> tuple[Tallies, int]:
    """The laws that each ended saga obeys, and how many are left out as not settled."""
    reactions = reaction_steps()
    placing = laws_of_sagas(reactions)
    others = {CANCEL_ORDER.name: laws_of_taking_back(), RETURN_ORDER.name: laws_of_returns()}
    laws = {law for each in (placing, *others.values()) for law in each}
    tallies, unsettled = {law: Tally() for law in laws}, 0
    for saga in ended_sagas(view.settled_before):
        late = saga.ended_at < view.shipped_before
        if saga.in_hand or not (late or saga.has_settled(reactions)):
            unsettled += 1
            continue
        for law, check in others.get(saga.process, placing).items():
            tallies[law].look(f"saga {saga.saga_id}", check(saga))
    return tallies, unsettled


def _live(now: datetime) -> tuple[int, timedelta]:
    started = [each.started_at for each in sagas.live_sagas()]
    return len(started), now - min(started, default=now)
