"""What the contexts say of one ended saga, side by side. Plain values: the laws are pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.messaging.models import Status as RowStatus
from apps.ops.conservation.messages import LogRow
from apps.sagas.state import Outcome


@dataclass(frozen=True, slots=True)
class Told:
    """An answer in a saga's history."""

    step: str
    answer: Outcome


@dataclass(frozen=True, slots=True)
class Effect:
    """How often a step's business rows say that it was done, and undone."""

    done: int = 0
    undone: int = 0


NONE = Effect()
UNDOING = (Outcome.UNDONE, Outcome.NOTHING_TO_UNDO)
CLOSING = (*UNDOING, Outcome.FENCED)


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """The order of a saga, as orders has it."""

    id: UUID
    status: str  # placed, confirmed, cancelled
    total_cents: int
    lines: int  # products in it


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """The payment of a saga, as payments has it, in cents."""

    held: int
    captured: int
    refunded: int


@dataclass(frozen=True, slots=True)
class WishSeen:
    """The wish that a saga carries out, as orders has it."""

    status: str  # returning, cancelled, refused
    order_status: str


@dataclass(frozen=True, slots=True)
class ReturnSeen:
    """The return that a saga carries out, as each context has it: in cents, and in pieces."""

    status: str  # announced, completed, refused
    refunded_cents: int
    accepted_cents: int  # what orders says that was accepted
    paid_back_cents: int  # what payments says
    restocked: int  # pieces, as inventory has moved them
    sellable: int  # pieces, as the desk has accepted them undamaged


@dataclass(frozen=True, slots=True)
class EndedSaga:
    """One saga that ended, with what each context has of it."""

    saga_id: UUID
    process: str
    confirmed: bool  # otherwise undone
    ended_at: datetime
    steps: tuple[str, ...]  # its plan
    history: tuple[Told, ...]  # as they were heard: of an orchestrated one, as it was decided
    log: tuple[LogRow, ...]
    effects: Mapping[str, Effect]  # by step, of reactions too; a step without any is left out
    order: OrderSeen | None
    payment: PaymentSeen | None
    skipped: frozenset[str] = frozenset()  # steps that it went on without
    on_desk: frozenset[str] = frozenset()  # steps whose undoing stood on the desk
    by_events: bool = False  # events drove it at first, which are heard in any order
    taken_back: bool = False  # after its confirmed end, by a saga of its own
    in_hand: bool = False  # a saga that takes it back is under way: nothing is said of it yet
    wish: WishSeen | None = None  # of a saga that takes an order back
    returned: ReturnSeen | None = None  # of a saga that takes goods back
    returned_cents: int = 0  # of an order that stands: paid back for goods that came back

    @property
    def stands(self) -> bool:
        """Whether the order that it placed is to be had, paid and shipped."""
        return self.confirmed and not self.taken_back

    @property
    def rows(self) -> Mapping[str, LogRow]:
        """The log by step."""
        return {row.step: row for row in self.log}

    def has_settled(self, reactions: Collection[str]) -> bool:
        """Whether all that follows its end has happened."""
        alone = self.wish is not None or self.returned is not None  # it has no reactions
        return not self.stands or alone or self.rows.keys() >= set(reactions)

    @property
    def last_answers(self) -> Mapping[str, Outcome]:
        """The last outcome of each step that was asked: what closes a step is the last of it,
        however late the others are heard."""
        in_order = sorted(self.history, key=lambda told: told.answer in CLOSING)
        return {told.step: told.answer for told in in_order}

    @property
    def undone_in_order(self) -> list[str]:
        """The steps that were undone, in the order in which that happened: as the engine was told,
        or by the databases' clocks where nobody asked one after the other."""
        if not self.by_events:
            return [told.step for told in self.history if told.answer in UNDOING]
        undone = [row for row in self.log if row.status == RowStatus.UNDONE]
        return [row.step for row in sorted(undone, key=lambda row: row.changed_at)]
