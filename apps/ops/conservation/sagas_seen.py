"""Ended sagas with what every context has of them, chunk by chunk."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar
from uuid import UUID

from apps.contracts.plan import Mode, Plan
from apps.fraud import selectors as fraud
from apps.inventory import selectors as inventory
from apps.notifications import selectors as notifications
from apps.ops.conservation import effects
from apps.ops.conservation.effects import Column, Effects
from apps.ops.conservation.facts import (
    EndedSaga,
    OrderSeen,
    PaymentSeen,
    ReturnSeen,
    Told,
    WishSeen,
)
from apps.ops.conservation.messages import log_rows
from apps.orders import selectors as orders
from apps.payments import selectors as payments
from apps.sagas import selectors as sagas
from apps.sagas.state import Outcome, Status
from apps.shipping import selectors as shipping

CHUNK = 1000
Each = TypeVar("Each")


def ended_sagas(before: datetime) -> Iterator[EndedSaga]:
    """Every saga that ended before that time, in the order of ids."""
    columns = Columns(before)
    for chunk in chunks(sagas.sagas_by_id(ended_before=before)):
        yield from columns.lay_over(chunk)


class Columns:
    """The contexts that tell their rows saga by saga, read along once."""

    def __init__(self, before: datetime) -> None:
        self._before = before
        self._payments = Column(payments.payment_facts())
        self._entries = Column(payments.effects())
        self._checks = Column(fraud.check_effects())
        self._gifts = Column(shipping.gift_effects())
        self._shipments = Column(shipping.shipment_effects())
        self._messages = Column(notifications.effects())

    def lay_over(self, ended: Sequence[sagas.SagaFacts]) -> Iterator[EndedSaga]:
        """The facts of one chunk of sagas, which come after those before."""
        saga_ids = [each.saga_id for each in ended]
        histories, log = histories_of(saga_ids), log_rows(saga_ids)
        placed = {each.saga_id: _order(each) for each in orders.facts_of_sagas(saga_ids)}
        paid = {saga_id: _payment(row) for saga_id, row in self._payments.of(saga_ids).items()}
        done = self._effects(saga_ids, placed)
        desk = sagas.steps_on_desk(saga_ids)
        wishes = orders.cancellations_of_sagas(saga_ids)
        carried_out = {each.saga_id: _wish(each) for each in wishes}
        taken_back, in_hand = self._taken_back(wishes)
        returns = orders.returns_of_sagas(saga_ids)
        refunds = payments.refunds_for(saga_ids)
        in_hand |= self._paying_back(refunds)
        seen = returns_seen([each for each in returns if each.saga_id in set(saga_ids)])
        paid_back = cents_by_order(returns)
        for each in ended:
            assert each.ended_at is not None
            saga_id = each.saga_id
            plan = Plan.from_header(each.plan)
            yield EndedSaga(
                saga_id=saga_id,
                process=plan.process,
                confirmed=each.status == Status.CONFIRMED,
                ended_at=each.ended_at,
                steps=plan.steps,
                history=tuple(histories.get(saga_id, ())),
                log=tuple(log.get(saga_id, ())),
                effects=done[saga_id],
                order=placed.get(saga_id),
                payment=paid.get(saga_id),
                skipped=each.skipped,
                on_desk=frozenset(desk.get(saga_id, ())),
                by_events=plan.mode is Mode.CHOREOGRAPHED,
                taken_back=saga_id in taken_back,
                in_hand=saga_id in in_hand,
                wish=carried_out.get(saga_id),
                returned=seen.get(saga_id),
                returned_cents=paid_back.get(saga_id, 0),
            )

    def _taken_back(self, wishes: Sequence[orders.CancellationFact]) -> tuple[set[UUID], set[UUID]]:
        """The sagas whose orders were taken back, and those of which that is under way."""
        known = sagas.facts_of([each.saga_id for each in wishes])
        taken_back, in_hand = set(), set()
        for each in wishes:
            standing = known.get(each.saga_id)
            if not self._is_over(standing):
                in_hand.add(each.placed_by)
            elif standing and standing.status == Status.CONFIRMED:
                taken_back.add(each.placed_by)
        return taken_back, in_hand

    def _paying_back(self, refunds: Sequence[payments.RefundFacts]) -> set[UUID]:
        """The sagas whose orders are being paid back in part: a return that only awaits its goods
        changes nothing of them."""
        known = sagas.facts_of([each.asked_by for each in refunds])
        return {each.paid_by for each in refunds if not self._is_over(known.get(each.asked_by))}

    def _is_over(self, standing: sagas.SagaFacts | None) -> bool:
        if standing is None or standing.ended_at is None:
            return False
        return standing.ended_at < self._before

    def _effects(
        self, saga_ids: Sequence[UUID], placed: dict[UUID, OrderSeen]
    ) -> dict[UUID, Effects]:
        together: dict[UUID, Effects] = {saga_id: {} for saga_id in saga_ids}
        parts: Iterable[tuple[UUID, Effects]] = (
            *effects.of_inventory(saga_ids, placed).items(),
            *effects.of_pricing(saga_ids).items(),
            *((key, effects.of_payment(row)) for key, row in self._entries.of(saga_ids).items()),
            *((key, effects.of_check(row)) for key, row in self._checks.of(saga_ids).items()),
            *((key, effects.of_gift(row)) for key, row in self._gifts.of(saga_ids).items()),
            *((key, effects.of_shipment(row)) for key, row in self._shipments.of(saga_ids).items()),
            *((key, effects.of_messages(row)) for key, row in self._messages.of(saga_ids).items()),
            *((key, effects.of_order(order)) for key, order in placed.items()),
        )
        for saga_id, part in parts:
            together[saga_id] |= part
        return together


def returns_seen(returns: Sequence[orders.ReturnFact]) -> dict[UUID, ReturnSeen]:
    """These returns by their sagas, as orders, payments and inventory have them."""
    saga_ids = [each.saga_id for each in returns]
    paid = {each.asked_by: each.cents for each in payments.refunds_by(saga_ids)}
    moved = inventory.restocked_for(saga_ids)
    seen = {}
    for each in returns:
        pieces = moved.get(each.saga_id)
        seen[each.saga_id] = ReturnSeen(
            status=each.status,
            refunded_cents=each.refunded_cents,
            accepted_cents=each.accepted_cents,
            paid_back_cents=paid.get(each.saga_id, 0),
            restocked=pieces.restocked if pieces else 0,
            sellable=pieces.sellable if pieces else 0,
        )
    return seen


def cents_by_order(returns: Sequence[orders.ReturnFact]) -> dict[UUID, int]:
    """What orders says that was paid back, by the sagas that placed them."""
    cents: defaultdict[UUID, int] = defaultdict(int)
    for each in returns:
        cents[each.placed_by] += each.refunded_cents
    return cents


def histories_of(saga_ids: Collection[UUID]) -> dict[UUID, list[Told]]:
    """What these sagas were told of each step, in the order in which the engine took it."""
    told: defaultdict[UUID, list[Told]] = defaultdict(list)
    for each in sagas.history_of(saga_ids):
        told[each.saga_id].append(Told(each.step, Outcome(each.outcome)))
    return told


def chunks(each: Iterable[Each]) -> Iterator[list[Each]]:
    """So many at once."""
    iterator = iter(each)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _order(fact: orders.OrderFact) -> OrderSeen:
    return OrderSeen(fact.id, fact.status, fact.total_cents, fact.lines)


def _wish(fact: orders.CancellationFact) -> WishSeen:
    return WishSeen(fact.status, fact.order_status)


def _payment(fact: payments.PaymentFacts) -> PaymentSeen:
    return PaymentSeen(fact.held_cents, fact.captured_cents, fact.refunded_cents)
