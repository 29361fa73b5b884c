"""The home page: every figure right, each a link to what it counts, each server able to be away."""

import re
from collections import Counter
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django.utils.html import escape
from uuid_utils.compat import uuid7

from apps.messaging.database import Database
from apps.messaging.gauges import Sample
from apps.messaging.kafka import group_name
from apps.ops.figure import Figure
from apps.ops.home import lag_of
from apps.orders.models import Order
from apps.sagas.models import Saga
from apps.sagas.state import Status
from sagaplatform.env import CONTEXTS
from tests.admin.million import load
from tests.admin.world import CASE, REQUEST, client_of, confirmed_saga, park_for, undone_saga
from tests.ops.world import buy, deliver
from tests.scraping import closed_port, forget

Databases = dict[str, psycopg.Connection]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def support(shop: Databases) -> Client:
    return client_of("support", codenames="view_")


@pytest.fixture
def day(shop: Databases) -> dict[str, Order]:
    """Two confirmed, one of them seven hours ago; one undone; one in flight; a letter; a case."""
    found = {"undone": undone_saga(shop), "confirmed": confirmed_saga(shop)}
    confirmed_saga(shop)
    ago = timezone.now() - timedelta(hours=7, minutes=30)
    Saga.objects.filter(saga_id=found["confirmed"].saga_id).update(
        started_at=ago - timedelta(seconds=90), ended_at=ago
    )
    found["running"] = Order.objects.get(id=buy(tea=1))
    deliver(shop, rounds=1)
    park_for(found["undone"].saga_id, "payments")  # which leaves a message in the outbox, too
    shop["sagas"].execute(
        CASE.replace("now(), now(), 'undone'", "now(), NULL, ''"), [found["undone"].saga_id]
    )
    return found


def home_of(client: Client) -> dict[str, Any]:
    forget()
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return dict(answer.context["home"])


def by_text(figures: Any) -> dict[str, str]:
    return {each.text: each.value for each in figures}


def test_every_status_has_its_count(support: Client, day: dict[str, Order]) -> None:
    states = by_text(home_of(support)["sagas"]["states"])

    assert states == dict.fromkeys(Status, "0") | {"running": "1", "confirmed": "2", "undone": "1"}


def test_what_to_look_at(support: Client, day: dict[str, Order]) -> None:
    found = {each.text: each for each in home_of(support)["sagas"]["attention"]}

    running = day["running"]
    assert found["oldest in flight"].note == f"{running.number}, running"
    assert found["oldest in flight"].address == f"/admin/sagas/saga/{running.saga_id}/change/"
    assert (found["stuck"].value, found["stuck"].alarming) == ("0", False)
    assert (found["open cases"].value, found["open cases"].alarming) == ("1", True)
    assert found["waiting for approval"].value == "0"


def test_what_waits_for_a_second_person(support: Client, shop: Databases) -> None:
    open_one = REQUEST.replace("'withdrawn'", "'open'")
    shop["sagas"].execute(open_one, [uuid7()])
    shop["sagas"].execute(REQUEST, [uuid7()])
    expired = open_one.replace(
        "now(), now() + interval '1 day'", "now() - interval '2 days', now()"
    )
    shop["sagas"].execute(expired, [uuid7()])

    found = {each.text: each for each in home_of(support)["sagas"]["attention"]}
    waiting = found["waiting for approval"]
    assert (waiting.value, waiting.address) == ("1", "/admin/sagas/approval/?standing=open")


def test_the_hours_have_what_ended_in_them(support: Client, day: dict[str, Order]) -> None:
    chart = home_of(support)["sagas"]["chart"]

    ended = [(each.confirmed, each.undone) for each in reversed(chart.bars)]
    assert ended == [(1, 1), *[(0, 0)] * 6, (1, 0), *[(0, 0)] * 16]
    assert (chart.confirmed, chart.undone, chart.most) == (2, 1, 2)
    newest, older = chart.bars[-1], chart.bars[-8]
    assert (newest.confirmed_height, newest.undone_height, newest.undone_y) == (60, 60, 0)
    assert (older.confirmed_height, older.confirmed_y, older.undone_height) == (60, 60, 0)
    assert [by_text(each.reasons) for each in (newest, older)] == [
        {"create shipment: ShipmentRefused": "1"}, {},
    ]  # fmt: skip


def test_why_sagas_were_undone_and_how_long_they_took(
    support: Client, day: dict[str, Order]
) -> None:
    sagas = home_of(support)["sagas"]

    assert by_text(sagas["reasons"]) == {"create shipment: ShipmentRefused": "1"}
    half, slowest = sagas["durations"]
    assert half.value.endswith((" ms", " s"))
    assert (slowest.value, slowest.note) == ("1 min 30 s", "of 3 that ended")


def test_what_waits_in_each_service(support: Client, day: dict[str, Order]) -> None:
    found = {each.name: each for each in home_of(support)["services"]}

    parked = {name: each.waiting[0].value for name, each in found.items()}
    assert parked == dict.fromkeys(CONTEXTS, "0") | {"payments": "1"}
    assert found["payments"].waiting[0].alarming
    assert (found["payments"].waiting[1].value, found["inventory"].waiting[1].value) == ("1", "0")
    assert found["payments"].waiting[1].note.startswith("for ")
    calls = {name: each.waiting[2].value for name, each in found.items()}
    callers = ("payments", "shipping", "notifications", "fraud", "inventory")
    assert calls == dict.fromkeys(CONTEXTS, "-") | dict.fromkeys(callers, "0")


def test_a_provider_that_does_not_answer_is_named_with_what_waits_for_it(
    support: Client, shop: Databases
) -> None:
    shop["payments"].execute(
        "INSERT INTO payments_providerstate (name, failures, opened_at, retry_at, changed_at)"
        " VALUES ('stripe', 5, now() - interval '3 hours 10 minutes 20 seconds', now(), now())"
    )
    [payments] = [each for each in home_of(support)["services"] if each.name == "payments"]

    assert payments.waiting[2].alarming
    assert payments.waiting[2].note == "stripe silent for 3 h 10 min, 0 held back"


# Two calls that could be made, one of which had a worker; one that has one; one for later.
CALLS = """
INSERT INTO payments_intent (id, saga_id, step, action, generation, operation, subject, details,
  key, status, due_at, lease, leased_until, request, created_at, changed_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'authorize_payment', 'do', 1, 'authorize',
  gen_random_uuid()::text, '{}', gen_random_uuid()::text, status, now() + due,
  CASE WHEN lease IS NOT NULL THEN gen_random_uuid() END, now() + lease, '{}', now(), now()
FROM (VALUES ('due', interval '-1 minute', NULL::interval), ('claimed', '-1 hour', '-10 minutes'),
  ('claimed', '-1 hour', '1 minute'), ('waiting', '1 hour', NULL)) AS given (status, due, lease)
"""


def test_the_calls_that_are_due_are_listed_also_where_a_worker_died(
    support: Client, shop: Databases
) -> None:
    shop["payments"].execute(CALLS)
    [payments] = [each for each in home_of(support)["services"] if each.name == "payments"]
    calls = payments.waiting[2]

    assert (calls.value, calls.note[:10], calls.alarming) == ("2", "for 10 min", True)
    listed = support.get(calls.address).context["cl"].result_list
    assert sorted(each.status for each in listed) == ["claimed", "due"]


def test_a_waiting_message_alarms_when_it_is_old(
    support: Client, day: dict[str, Order], shop: Databases
) -> None:
    shop["payments"].execute("UPDATE payments_outboxmessage SET created_at = now() - interval '1h'")
    [payments] = [each for each in home_of(support)["services"] if each.name == "payments"]

    assert payments.waiting[1].alarming
    assert payments.waiting[1].note.startswith("for 1 h 0 min")


def test_every_figure_leads_to_as_many_rows_as_it_says(
    support: Client, day: dict[str, Order]
) -> None:
    forget()
    answer = support.get("/admin/")
    home, html = answer.context["home"], answer.content.decode()
    sagas = home["sagas"]
    figures = [*sagas["states"], *sagas["attention"][1:], *sagas["reasons"]]
    figures += [each for service in home["services"] for each in service.waiting if each.address]
    pairs = [(int(each.value), each.address) for each in figures]
    pairs += [(each.confirmed + each.undone, each.address) for each in sagas["chart"].bars]
    pairs += [(3, each.address) for each in sagas["durations"]]
    bars = sagas["chart"].bars
    counted = [each for bar in bars for each in (*bar.counts, *bar.reasons) if each.address]
    pairs += [(int(each.value), each.address) for each in (*sagas["chart"].totals, *counted)]

    behind = {address: len(support.get(address).context["cl"].result_list) for _, address in pairs}
    assert {address: count for count, address in pairs} == behind
    assert len(pairs) == 8 + 3 + 1 + 21 + 24 + 2 + 3 + 4
    assert [each for _, each in pairs if f'href="{escape(each)}"' not in html] == []


def test_how_old_the_last_proof_is(support: Client, day: dict[str, Order]) -> None:
    assert "Nobody has looked yet" in support.get("/admin/").content.decode()

    with pytest.raises(SystemExit):  # the case in this world stands on no saga's desk
        call_command("check_conservation", "--json", "--moment", "0")
    forget()
    answer = support.get("/admin/")
    check, html = answer.context["home"]["check"], answer.content.decode()
    assert check["row"].violations == 1
    assert [each.partition(":")[0] for each in check["broken"]] == ["I1"]
    assert re.fullmatch(r"\d+ ms|\d+\.\d s", check["age"])
    assert f'<a href="{check["address"]}">1 violation</a>' in html
    page = support.get(check["address"]).content.decode()
    assert "has an open case, but needs nobody" in page


def test_staff_without_rights_see_no_figures(shop: Databases) -> None:
    clerk = client_of("clerk")

    assert "home" not in clerk.get("/admin/").context
    assert "Choose a list" in clerk.get("/admin/").content.decode()


def test_links_lead_only_where_the_reader_may_look(day: dict[str, Order]) -> None:
    narrow = client_of("narrow", codenames="view_saga")
    home = home_of(narrow)

    assert {each.address for service in home["services"] for each in service.waiting} == {""}
    assert [each.address for each in home["sagas"]["attention"]][2] == ""
    assert home["sagas"]["states"][0].address == "/admin/sagas/saga/?status__exact=running"


def test_htmx_gets_the_figures_without_the_frame(support: Client, day: dict[str, Order]) -> None:
    part = support.get("/admin/", headers=HTMX).content.decode()

    assert "Sagas by state" in part
    assert "<html" not in part
    assert "nav-sidebar" not in part
    assert "hx-get" not in part


@pytest.mark.parametrize("alias", ["inventory", "sagas", "default"])
def test_a_database_that_is_away_takes_its_own_part_with_it(
    support: Client, day: dict[str, Order], alias: str
) -> None:
    """The web page itself keeps its connections: only who asks for figures finds the door shut."""
    others = {"sagas": ["home sagas"], "default": ["home default"]}.get(alias, [])
    with closed_port(alias, *others):
        answer = support.get("/admin/")
    home, text = answer.context["home"], answer.content.decode()

    assert (home["sagas"] is None) == (alias == "sagas")
    assert home["checked"] == (alias != "default")
    assert ("engine's database did not answer" in text) == (alias == "sagas")
    silent = {each.name for each in home["services"] if each.waiting is None}
    assert silent == {alias} - {"default"}


def test_kafka_may_be_away(
    support: Client, day: dict[str, Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.ops import home

    def away() -> None:
        raise TimeoutError

    asked = home.questions
    monkeypatch.setattr(home, "questions", lambda: {**asked(), "kafka": away})
    forget()
    answer = support.get("/admin/")

    assert "Kafka does not answer" in answer.content.decode()
    assert {each.lag for each in answer.context["home"]["services"]} == {None}
    assert answer.context["home"]["sagas"]["states"][0].value == "1"


def test_lag_is_a_contexts_own_and_names_its_busiest_partition() -> None:
    def behind(group: str, topic: str, partition: str, count: int) -> Sample:
        return Sample("consumer_lag", (group_name(group), group_name(topic), partition), count)

    samples = [
        behind("payments", "payments-commands", "0", 1_200),
        behind("payments", "order-events", "3", 1_900),
        behind("inventory", "order-events", "1", 5_000),
        behind("pricing", "order-events", "1", 0),
    ]

    payments = lag_of("payments", samples)
    assert payments == Figure("lag", "3,100", note="most in order-events, part 3")
    assert lag_of("pricing", samples) == lag_of("fraud", samples) == Figure("lag", "0")
    assert lag_of("payments", None) is None


def test_it_takes_as_many_statements_with_many_sagas(
    shop: Databases, support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: six to the sagas' database about sagas, and the gauges that a scrape reads."""
    load(shop["sagas"], 30_000)
    passed: Counter[str] = Counter()
    fetch = Database.fetch

    def counting(self: Database, *args: Any) -> Any:
        passed[self.alias] += 1
        return fetch(self, *args)

    monkeypatch.setattr(Database, "fetch", counting)
    home = home_of(support)

    assert by_text(home["sagas"]["states"])["confirmed"] == "about 26,000"
    callers = {"payments": 4 + 3, "shipping": 4, "notifications": 4 + 1, "fraud": 4, "inventory": 4}
    assert passed == dict.fromkeys(CONTEXTS, 2) | callers | {"sagas": 3 + 7}
