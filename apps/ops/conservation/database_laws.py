"""The laws inside one context's database: they hold always."""

from apps.contracts.numbers import number_of
from apps.inventory import selectors as inventory
from apps.notifications import selectors as notifications
from apps.ops.conservation.messages import outbox_size, overdue_messages
from apps.ops.conservation.proof import Fault, Tally, View
from apps.orders import selectors as orders
from apps.payments import selectors as payments
from apps.pricing import selectors as pricing
from apps.sagas import selectors as sagas


def accounts(view: View, tally: Tally) -> None:
    tally.checked = payments.account_count()
    tally.faults += [
        Fault(
            f"account of customer {each.customer_id} in {each.currency}",
            f"{each.available_cents} cents available and {each.held_cents} held, but its entries "
            f"say {each.ledger_available_cents} and {each.ledger_held_cents}",
        )
        for each in payments.account_drifts()
    ]


def payments_in_ledger(view: View, tally: Tally) -> None:
    tally.checked = payments.payment_count()
    tally.faults += [
        Fault(f"saga {saga_id}", "its payment and its ledger entries differ")
        for saga_id in payments.payments_unlike_ledger()
    ]


def ledger(view: View, tally: Tally) -> None:
    sums: dict[str, int] = {}
    for (currency, _), cents in payments.pot_balances().items():
        sums[currency] = sums.get(currency, 0) + cents
    for currency, cents in sums.items():
        tally.look(currency, iter([f"its pots sum to {cents} cents"] if cents else []))


def promises(view: View, tally: Tally) -> None:
    tally.checked = pricing.freeze_count()
    tally.faults += [
        Fault(
            f"saga {each.saga_id}",
            f"{each.total_cents} cents are promised, its lines sum to {each.lines_cents}",
        )
        for each in pricing.totals_against_lines()
    ]


def stock(view: View, tally: Tally) -> None:
    tally.checked = inventory.product_count()
    tally.faults += [
        Fault(
            f"product {each.product_id}",
            f"{each.on_hand} on hand, {each.reserved} reserved and {each.shipped} shipped, but "
            f"movements of {each.moved_on_hand}, {each.moved_reserved} and {each.moved_shipped}",
        )
        for each in inventory.stock_against_movements()
    ]


def negative(view: View, tally: Tally) -> None:
    tally.checked = inventory.product_count()
    tally.faults += [
        Fault(f"product {each.product_id}", f"has {min(each[1:])} pieces")
        for each in inventory.negative_stock()
    ]


def reserved(view: View, tally: Tally) -> None:
    tally.checked = inventory.product_count()
    tally.faults += [
        Fault(
            f"product {each.product_id}",
            f"{each.reserved} are reserved, {each.in_reservations} are in open reservations",
        )
        for each in inventory.reserved_against_reservations()
    ]


def messages(view: View, tally: Tally) -> None:
    tally.checked = notifications.message_count()
    tally.faults += [
        Fault(
            f"order {number_of(each.order_id)}",
            f"its customer has the message {each.kind} {each.times} times",
        )
        for each in notifications.repeated()
    ]


def outbox(view: View, tally: Tally) -> None:
    tally.checked = outbox_size()
    tally.faults += [
        Fault(f"message {each.message_id}", f"of {each.context}, waits for {each.topic}")
        for each in overdue_messages(view.overdue_before)
    ]


def refunds(view: View, tally: Tally) -> None:
    tally.checked = payments.payment_count()
    tally.faults += [
        Fault(f"saga {saga_id}", "its payment and the refunds of its parts differ")
        for saga_id in payments.payments_unlike_refunds()
    ]


def goods_back(view: View, tally: Tally) -> None:
    tally.checked = inventory.arrival_count()
    tally.faults += [
        Fault(
            f"saga {each.placed_by}",
            f"{each.returned} of product {each.product_id} came back, {each.shipped} were shipped",
        )
        for each in inventory.returned_beyond_shipped()
    ]


def returned_lines(view: View, tally: Tally) -> None:
    tally.checked = orders.return_count()
    tally.faults += [
        Fault(
            f"order {each.number}",
            f"{each.returned} of product {each.product_id} are returned, {each.in_returns} are in"
            " its returns",
        )
        for each in orders.lines_unlike_returns()
    ]


def wishes(view: View, tally: Tally) -> None:
    tally.checked = orders.wish_count()
    tally.faults += [
        Fault(f"order {each.number}", f"is {each.order_status}, but its wish is {each.status}")
        for each in orders.wishes_unlike_orders()
    ]


def cases(view: View, tally: Tally) -> None:
    needing, standing = sagas.needs_a_person(), sagas.on_the_desk()
    tally.checked = len(needing | standing)
    tally.faults += [
        Fault(f"saga {each}", "needs a person, but no case is open") for each in needing - standing
    ]
    tally.faults += [
        Fault(f"saga {each}", "has an open case, but needs nobody") for each in standing - needing
    ]


def audit(view: View, tally: Tally) -> None:
    known = sagas.audited()
    for saga_id, version, kind in sagas.moves_by_people():
        faults = [] if (saga_id, version) in known else [f"was {kind}, but the audit has no row"]
        tally.look(f"saga {saga_id}", iter(faults))
