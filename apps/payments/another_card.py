"""What a customer does about a card that was declined: give another one."""

from functools import partial
from uuid import UUID

from django.db import transaction

from apps.messaging.context import context
from apps.messaging.intents import IntentTable, OpenIntent
from apps.messaging.models import IntentStatus
from apps.messaging.waking import wake
from apps.payments.declines import FINAL, SAME_CARD_AGAIN
from apps.payments.errors import NoCardPayment, NoCardWanted
from apps.payments.models import OPEN_CARDS, CardStatus

STEP = "authorize_payment"

# The newest attempt to pay an order by card, locked.
LOCK_LAST_CARD = """
SELECT saga_id, call, number, card, status, reference, code FROM payments_cardattempt
WHERE order_id = %b AND customer_id = %b ORDER BY id DESC LIMIT 1 FOR UPDATE
"""

# The next attempt, of the card that the customer gives.
GIVE_CARD = """
INSERT INTO payments_cardattempt
  (call, number, saga_id, order_id, customer_id, card, reference, status)
VALUES (%b, %b, %b, %b, %b, %b, %b, 'given')
"""


def give_another_card(*, customer_id: int, order_id: UUID, card: str) -> None:
    """Let an order that waits for a card be paid by this one, at once. Repeated while this card is
    being tried, it changes nothing.

    Raises NoCardPayment, and NoCardWanted where no card is waited for, or not this one.
    """
    database = context("payments").database
    with database.transaction():
        rows = database.fetch(LOCK_LAST_CARD, (order_id, customer_id))
        if not rows:
            raise NoCardPayment(order_id)
        [(saga_id, call, number, last_card, status, reference, code)] = rows
        if last_card == card and status in OPEN_CARDS:
            return
        intents = IntentTable(database)
        found = intents.lock([(saga_id, STEP)]).get((saga_id, STEP))
        refuse_card(status, code, found if found and found.key == call else None)
        if last_card == card and code not in SAME_CARD_AGAIN:
            raise NoCardWanted("same_card", "This card was declined just now: give another one.")
        values = (call, number + 1, saga_id, order_id, customer_id, card, reference)
        database.execute(GIVE_CARD, values)
        intents.hasten([found.id] if found else [])
        transaction.on_commit(partial(wake, "payments"), using="payments")


def refuse_card(status: str, code: str, call: OpenIntent | None) -> None:
    """Raise NoCardWanted unless the payment waits for another card.

    While a worker has the call in hand it does not: what it finds out may end the wait.
    """
    if call is None or call.undo or code in FINAL:
        why = "This payment is made, or over: no card is tried any more."
        raise NoCardWanted("payment_over", why)
    if status == CardStatus.HELD:
        raise NoCardWanted("payment_held", "The amount is held already: no other card is needed.")
    if status == CardStatus.ACTION:
        why = "Your bank asks you to confirm the payment with the card that you gave."
        raise NoCardWanted("customer_needed", why)
    if status != CardStatus.DECLINED or call.status != IntentStatus.WAITING:
        why = "A card is being tried: look at the payment again in a moment."
        raise NoCardWanted("card_is_tried", why)
