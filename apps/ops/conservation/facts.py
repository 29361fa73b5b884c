"""What the contexts say of one ended saga, side by side. Plain values: the laws are pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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
class EndedSaga:
    """One saga that ended, with what each context has of it."""

    saga_id: UUID
    process: str
    confirmed: bool  # otherwise undone
    ended_at: datetime
    steps: tuple[str, ...]  # its plan
    history: tuple[Told, ...]  # in the order of the engine's decisions
    log: tuple[LogRow, ...]
    effects: Mapping[str, Effect]  # by step, of reactions too; a step without any is left out
    order: OrderSeen | None
    payment: PaymentSeen | None
    skipped: frozenset[str] = frozenset()  # steps that it went on without
    on_desk: frozenset[str] = frozenset()  # steps whose undoing stood on the desk
    taken_back: bool = False  # after its confirmed end, by a saga of its own
    in_hand: bool = False  # a saga that takes it back is under way: nothing is said of it yet
    wish: WishSeen | None = None  # of a saga that takes an order back

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
        return not self.stands or self.wish is not None or self.rows.keys() >= set(reactions)

    @property
    def last_answers(self) -> Mapping[str, Outcome]:
        """The last outcome of each step that was asked."""
        return {told.step: told.answer for told in self.history}
