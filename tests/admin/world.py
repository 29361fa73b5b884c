"""Sagas that really ran, one row of every table, and who looks at them."""

import io
from uuid import UUID

import psycopg
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from uuid_utils.compat import uuid7

from apps.contracts.payments import AuthorizePayment
from apps.contracts.plan import Mode
from apps.contracts.values import PaymentMethod
from apps.messaging.audit import Actor, write_down
from apps.messaging.consumer import Failure, park
from apps.messaging.database import Database
from apps.messaging.models import SubjectKind
from apps.notifications.services import set_contact
from apps.orders.models import Order
from apps.pricing.services import NewPromotion, start_promotions
from sagaplatform.env import CONTEXTS
from tests.e2e.world import drive
from tests.messaging.kit import envelope, record
from tests.ops.world import buy, deliver

Databases = dict[str, psycopg.Connection]

# A note in every context, of a message that came late.
NOTE = """
INSERT INTO {context}_barriernote
  (id, saga_id, step, action, generation, decision, message_id, noted_at)
VALUES (%s, %s, 'reserve_stock', 'do', 1, 'late', %s, now())
"""


def client_of(name: str, *, codenames: str = "", staff: bool = True) -> Client:
    """A client of a new user, who has every permission whose name starts so."""
    user = User.objects.create_user(name, is_staff=staff)
    if codenames:
        found = Permission.objects.filter(codename__startswith=codenames)
        user.user_permissions.set(found)
    client = Client()
    client.force_login(user)
    return client


def confirmed_saga(databases: Databases) -> Order:
    """An order of two teas and a cup, wrapped, confirmed and handed over."""
    order_id = buy(gift_wrap=True, tea=2, cup=1)
    deliver(databases)
    return Order.objects.get(id=order_id)


def undone_saga(databases: Databases) -> Order:
    """An order of a hundred teas, which the carrier refused."""
    order_id = buy(tea=100)
    deliver(databases)
    return Order.objects.get(id=order_id)


def park_for(saga_id: UUID, context: str = "payments") -> None:
    """A message of that saga that the context could not handle."""
    command = AuthorizePayment(
        order_id=saga_id, customer_id=7, currency="USD", total_cents=1,
        payment_method=PaymentMethod.CREDIT,
    )  # fmt: skip
    read = record(envelope(command, saga_id, step="authorize_payment"))
    park(context, [Failure(read, ValueError("no such account"))])


def note_for(databases: Databases, saga_id: UUID, context: str = "inventory") -> None:
    """A message of that saga that the context's barrier found late."""
    statement = NOTE.replace("{context}", context)
    databases[context].execute(statement, [uuid7(), saga_id, uuid7()])


# A call that was made for a saga, and a case that it had.
TRIED = """
INSERT INTO payments_cardattempt (call, number, saga_id, order_id, customer_id, card, status)
VALUES ('call', 1, %s, %s, 7, 'pm_card_visa', 'given')
"""
CALL = """
INSERT INTO payments_intent (id, saga_id, step, action, generation, operation, subject, details,
  key, status, due_at, request, created_at, changed_at)
VALUES (gen_random_uuid(), %s, 'authorize_payment', 'do', 1, 'authorize', 'x', '{}', 'x',
  'settled', now(), '{}', now(), now())
"""
# The same, without a good answer so far.
IN_VAIN = CALL.replace("status,", "status, attempt, reason,").replace(
    "'settled',", "'unknown', 3, 'stripe does not answer',"
)
# What Stripe told about it, what was found, and a comparison of the books.
TOLD = """
INSERT INTO payments_stripeevent (id, type, object_id, saga_id, happened_at)
VALUES ('evt_1', 'refund.failed', 're_1', %s, now())
"""
FOUND = """
INSERT INTO payments_finding (id, key, kind, saga_id, reference, payment_intent, text)
VALUES (gen_random_uuid(), 're_1', 'refund_failed', %s, 're_1', 'pi_1', 'The refund came back')
"""
COMPARED = """
INSERT INTO payments_reconciliation (id, compared_at, since, seconds, compared, not_ours, complete,
  differences, examples)
VALUES (gen_random_uuid(), now(), now(), 1, 5, 0, true, 1, '["pi_1 differs"]')
"""
QUESTION = CALL.replace("payments_intent", "fraud_intent")
RELEASED = CALL.replace("payments_intent", "shipping_intent")
TRACKED = """
INSERT INTO shipping_tracking (saga_id, reference, plan, traceparent, causation_id, changed_at)
VALUES (%s, 'FC00000001', '', '', '', now())
"""
AWAITED = CALL.replace("payments_intent", "notifications_intent")
DISPATCH = """
INSERT INTO notifications_dispatch
  (id, message_id, saga_id, order_id, customer_id, kind, channel, status)
SELECT gen_random_uuid(), id, saga_id, order_id, customer_id, kind, 'email', 'sent'
FROM notifications_customermessage WHERE saga_id = %s AND kind = 'confirmed'
"""
REVIEWED = """
INSERT INTO fraud_review (id, saga_id, order_id, customer_id, currency, total_cents, country,
  reasons, status)
VALUES (gen_random_uuid(), %s, %s, 7, 'USD', 900, 'US', '["It is dear"]', 'open')
"""
CHECKED = """
INSERT INTO fraud_assessment (saga_id, order_id, customer_id, currency, total_cents, country,
  status, decided_by)
VALUES (%s, %s, 7, 'USD', 900, 'US', 'cleared', 'rules')
"""
WAITED_FOR = CALL.replace("payments_intent", "inventory_intent")
ARRIVED = """
INSERT INTO inventory_arrival (id, return_id, saga_id, placed_by, order_id, customer_id, expected,
  accepted, status, due_at)
VALUES (gen_random_uuid(), gen_random_uuid(), %s, gen_random_uuid(), %s, 7,
  '[{"product_id": "tea", "quantity": 1}]', '[]', 'expected', now())
"""
RETURNED = """
INSERT INTO orders_return (id, order_id, status, reason, refund_to, saga_id, plan, idempotency_key,
  request_hash)
VALUES (gen_random_uuid(), %s, 'announced', 'too small', 'original', %s, 'x', 'k', 'x')
"""
PAID_BACK = """
INSERT INTO payments_refund (asked_by, payment_id, cents, "to", state)
VALUES (gen_random_uuid(), %s, 1, 'original', 'accepted')
"""
CASE = """
INSERT INTO sagas_case (id, kind, context, saga_id, step, action, reason, opened_at, closed_at,
  closed_by)
VALUES (gen_random_uuid(), 'stuck', 'sagas', %s, 'authorize_payment', 'undo', 'The card is closed',
  now(), now(), 'undone')
"""
# A request for approval of a saga that it had.
REQUEST = """
INSERT INTO sagas_approval (id, status, operation, saga_id, step, parameters, version, position,
  money_cents, currency, reason, requester_id, requester, requested_at, expires_at)
VALUES (gen_random_uuid(), 'withdrawn', 'compensate', %s, '', '{}', 1, '', 60000, 'USD',
  'The customer called', 1, 'ada', now(), now() + interval '1 day')
"""


# The engine keeps a log like everybody, for commands of its own; nobody sends it any yet.
LOGGED = """
INSERT INTO sagas_sagalog (saga_id, step, status, generation, answer_type, answer_version, answer,
  started_at, changed_at)
VALUES (%s, 'a step', 'done', 1, '', 1, '', now(), now())
"""


def act_on(saga_id: UUID, context: str) -> None:
    """What a person did by hand in that context."""
    database = Database(context)
    with database.transaction():
        write_down(
            database, actor=Actor(None, "terminal:ada"), operation="discard",
            subject_kind=SubjectKind.DEAD_LETTER, subject_id=uuid7(), saga_id=saga_id,
            step="authorize_payment", version=1, reason="it was a test", parameters={},
            outcome="discarded",
        )  # fmt: skip


def fill_every_table(databases: Databases) -> None:
    """At least one row behind every page of the admin."""
    order = confirmed_saga(databases)
    call_command("check_conservation", "--json", "--moment", "0", stdout=io.StringIO())
    databases["payments"].execute(CALL, [order.saga_id])
    databases["payments"].execute(TRIED, [order.saga_id, order.pk])
    databases["payments"].execute(TOLD, [order.saga_id])
    databases["payments"].execute(FOUND, [order.saga_id])
    databases["payments"].execute(COMPARED)
    databases["fraud"].execute(QUESTION, [order.saga_id])
    databases["shipping"].execute(RELEASED, [order.saga_id])
    databases["shipping"].execute(TRACKED, [order.saga_id])
    databases["fraud"].execute(REVIEWED, [order.saga_id, order.pk])
    databases["fraud"].execute(CHECKED, [order.saga_id, order.pk])
    databases["inventory"].execute(WAITED_FOR, [order.saga_id])
    databases["inventory"].execute(ARRIVED, [order.saga_id, order.pk])
    databases["orders"].execute(RETURNED, [order.pk, order.saga_id])
    databases["payments"].execute(PAID_BACK, [order.saga_id])
    databases["notifications"].execute(AWAITED, [order.saga_id])
    databases["notifications"].execute(DISPATCH, [order.saga_id])
    set_contact(customer_id=7, email="ada@mail.example", push_url="")
    databases["sagas"].execute(CASE, [order.saga_id])
    databases["sagas"].execute(REQUEST, [order.saga_id])
    databases["sagas"].execute(LOGGED, [order.saga_id])
    checked = LOGGED.replace("sagas_sagalog", "fraud_sagalog")
    databases["fraud"].execute(checked, [order.saga_id])
    Group.objects.create(name="interns")
    every = IntervalSchedule.objects.create(every=2, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name="sweep", task="messaging.work_intents", interval=every)
    start_promotions(promotions=[NewPromotion("tea", 400)])
    drive(Mode.ORCHESTRATED)
    for context in CONTEXTS:
        park_for(order.saga_id, context)  # leaves a copy in the outbox, too
        note_for(databases, order.saga_id, context)
        act_on(order.saga_id, context)
