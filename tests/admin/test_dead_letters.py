"""Parked messages in the admin: found, understood, repaired by who may, refused to who may not."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from apps.contracts.inventory import ReserveStock
from apps.contracts.orders import OrderCreated
from apps.messaging import dead_letter_operations as operations
from apps.messaging.admin.letter_diff import as_sent, difference, looks_like, readable
from apps.messaging.admin.letter_words import age, gist
from apps.messaging.audit import Actor
from apps.messaging.consumer import Failure, park
from apps.messaging.dead_letter_edits import CHANGEABLE
from apps.messaging.dead_letter_rows import groups
from apps.messaging.errors import UnreadableMessage
from apps.orders.models import Order, OrderStatus
from tests.admin.letters import RIGHTS, confirm, everything, hand, newest, operator, spoilt_order
from tests.admin.world import client_of, park_for
from tests.messaging.kit import PLAN, Shelf, handed_over, new_saga, release, reserve
from tests.messaging.parking import Breakable, garbled, resent
from tests.ops.world import collect, deliver

Databases = dict[str, psycopg.Connection]
LIST = "/admin/inventory/deadletter/"
REASON = "the price list was wrong"
BOB = Actor(8, "bob")
UNREADABLE = (
    "UnreadableMessage: type='ReserveStock', problem='Expected `int`, got `str` - at"
    " `$.lines[0].quantity`'"
)


@pytest.fixture
def letter(shop: Databases) -> UUID:
    """The parked command of an order's saga."""
    return spoilt_order(shop)[1]


@pytest.fixture
def ada(shop: Databases) -> Client:
    """Somebody with all rights on parked messages, who confirmed a moment ago who they are."""
    return operator()


def page(letter: object, name: str = "change") -> str:
    return f"{LIST}{letter}/{name}/"


def read(html: str) -> str:
    """A page as people read it: its content without markup, blanks in one."""
    body = html.split('id="main"', 1)[1]
    body = re.sub(r'<time(?![^>]*"ago")[^>]*>[^<]*</time>', "TIME", body)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def opened(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status, answer
    return read(answer.content.decode())


def column(shop: Databases, letter: UUID, name: str) -> Any:
    statement = f"SELECT {name} FROM inventory_deadletter WHERE id = %s"
    [[value]] = shop["inventory"].execute(statement, [letter]).fetchall()
    return value


def payload_of(shop: Databases, letter: UUID) -> str:
    return bytes(column(shop, letter, "payload")).decode()


def status_of(shop: Databases, letter: UUID) -> str:
    return column(shop, letter, "status")


def audit(shop: Databases) -> list[tuple[Any, ...]]:
    """Operation, user, version, reason of what was done in inventory, in order."""
    told = "SELECT operation, actor, version, reason FROM inventory_operatoraction ORDER BY id"
    return shop["inventory"].execute(told).fetchall()


def deliver_inventory(shop: Databases) -> None:
    """What inventory's own outbox holds, to inventory: what was sent again."""
    hand("inventory", collect(shop["inventory"], "inventory"))


def corrected(shop: Databases, letter: UUID) -> str:
    return payload_of(shop, letter).replace('"2"', "2")


def correction(shop: Databases, letter: UUID, stage: str, **changes: Any) -> dict[str, Any]:
    """The form of a correction as a browser posts it: the quantity is a number."""
    headers = json.loads(column(shop, letter, "headers"))
    form = {f"header_{name}": headers.get(name, "") for name in CHANGEABLE}
    form |= {"stage": stage, "version": column(shop, letter, "version"), "reason": REASON}
    if "payload" not in changes:
        form["payload"] = corrected(shop, letter)
    return form | changes


def shown_to(client: Client, letter: UUID) -> str:
    """Begin a correction: the payload is shown."""
    asked = client.post(page(letter, "edit"), {"version": 0, "reason": REASON})
    assert asked.status_code == 200
    return asked.content.decode()


def check(client: Client, shop: Databases, letter: UUID, **changes: Any) -> Any:
    return client.post(page(letter, "edit"), correction(shop, letter, "check", **changes))


def send(client: Client, shop: Databases, letter: UUID, **changes: Any) -> Any:
    """Check, and send what was checked."""
    checked = check(client, shop, letter, **changes)
    found = re.search(r'name="checked" value="(\w*)"', checked.content.decode())
    assert found, checked.content.decode()
    sign = {"checked": found[1]}
    return client.post(page(letter, "edit"), correction(shop, letter, "send", **changes | sign))


# --- the list


def test_the_list_has_a_tab_for_each_status_with_its_count(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    order = Order.objects.get()
    hand("inventory", [handed_over(order.saga_id)])
    shown = ada.get(f"{LIST}?q=reserve_stock&status__exact=parked&p=1")
    tabs = shown.context["status_tabs"]

    assert [(each["label"], each["count"], each["is_open"]) for each in tabs] == [
        ("all", 2, False), ("parked", 1, True), ("waiting", 1, False), ("released", 0, False),
        ("replayed", 0, False), ("superseded", 0, False), ("discarded", 0, False),
    ]  # fmt: skip
    assert tabs[0]["address"] == "?q=reserve_stock"
    assert tabs[2]["address"] == "?q=reserve_stock&status__exact=waiting"
    assert [each.pk for each in shown.context["cl"].result_list] == [letter]


def test_the_list_tells_step_error_attempts_and_what_waits(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    hand("inventory", [handed_over(Order.objects.get().saga_id)])
    text = opened(ada, f"{LIST}?status__exact=parked")

    assert re.search(r"\d+ s ago parked reserve stock ReserveStock", text)
    assert f"{UNREADABLE.replace(chr(39), '&#x27;')[:100]}" in text
    assert "4 1 waiting" in text


@pytest.mark.parametrize(
    "term", ["saga", "message", "letter", "fingerprint", "got `str`", "unreadablemessage",
             "reserve stock", "RESERVESTOCK"],
)  # fmt: skip
def test_a_letter_is_found_by_what_people_know_of_it(
    shop: Databases, ada: Client, letter: UUID, term: str
) -> None:
    park("inventory", [Failure(handed_over(new_saga()), ValueError("another"))])
    row = shop["inventory"].execute(
        "SELECT saga_id, message_id, id, fingerprint FROM inventory_deadletter WHERE id = %s",
        [letter],
    )
    named = dict(zip(("saga", "message", "letter", "fingerprint"), row.fetchall()[0], strict=True))
    found = ada.get(LIST, {"q": named.get(term, term)}).context["cl"].result_list

    assert [each.pk for each in found] == [letter]
    assert len(ada.get(LIST).context["cl"].result_list) == 2


def test_filters_stand_in_the_address(shop: Databases, ada: Client, letter: UUID) -> None:
    park("inventory", [Failure(handed_over(new_saga()), ValueError("another"))])
    found = ada.get(LIST, {"error_type": "ValueError", "type": "ShipmentHandedOver"})

    assert [each.error_type for each in found.context["cl"].result_list] == ["ValueError"]
    kept = found.context["status_tabs"][1]["address"]
    assert kept == "?error_type=ValueError&type=ShipmentHandedOver&status__exact=parked"


def test_letters_are_chosen_by_how_long_ago_they_were_parked(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    """Back from now, not by days: where a day begins depends on the zone."""
    hour = "UPDATE inventory_deadletter SET parked_at = now() - interval '61 minutes' WHERE id = %s"
    shop["inventory"].execute(hour, [letter])
    park("inventory", [Failure(handed_over(new_saga()), ValueError("another"))])

    found = {
        span: len(ada.get(LIST, {"parked_within": span}).context["cl"].result_list)
        for span in ("", "1h", "24h", "30d")
    }
    assert found == {"": 2, "1h": 1, "24h": 2, "30d": 2}
    tabs = ada.get(LIST, {"parked_within": "24h"}).context["status_tabs"]
    assert tabs[0]["address"] == "?parked_within=24h"
    assert ada.get(LIST, {"parked_within": "today"})["Location"].endswith("?e=1")


def test_the_list_says_what_is_parked_in_other_contexts(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    park_for(new_saga(), "payments")
    park_for(new_saga(), "payments")

    there = [(each["name"], each["count"]) for each in ada.get(LIST).context["elsewhere"]]
    assert there == [("payments", 2)]
    assert "Parked elsewhere: payments 2 ." in opened(ada, LIST)
    payments = opened(ada, "/admin/payments/deadletter/")
    assert "Parked elsewhere: inventory 1 ." in payments


def test_who_may_not_look_at_another_context_is_not_told_of_it(
    shop: Databases, letter: UUID
) -> None:
    park_for(new_saga(), "payments")
    clerk = client_of("clerk", codenames="view_deadletter")
    others = Permission.objects.filter(content_type__app_label="payments")
    User.objects.get(username="clerk").user_permissions.remove(*others)

    assert clerk.get(LIST).context["elsewhere"] == []
    assert "payments" not in opened(clerk, f"{LIST}groups/?everywhere").lower()


# --- the page of one


def test_the_page_says_in_plain_words_what_happened_and_what_would(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    saga = Order.objects.get().saga_id
    hand("inventory", [handed_over(saga)])
    text = opened(ada, page(letter))

    assert "ReserveStock: a command to inventory: do the step “reserve stock”." in text
    assert "It waits for somebody to repair it." in text
    assert "Tried 4 times" in text
    assert "Step reserve stock, do, generation 1" in text
    assert re.search(r"Read from inventory-commands, partition 0, offset \d+", text)
    assert "1 message of its saga goes on waiting behind it." in text
    assert "it cannot be read the next time either, unless corrected" in text
    assert "ShipmentHandedOver waiting ship stock do TIME" in text
    html = ada.get(page(letter)).content.decode()
    assert f'href="/admin/sagas/saga/{saga}/change/"' in html
    assert f'href="/admin/orders/order/?q={saga}"' in html


def test_the_page_shows_a_payload_by_its_fields_only(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    answer = ada.get(page(letter))
    shown = json.loads(answer.context["payload"])

    line = {"product_id": "<str>", "quantity": "<str>"}
    assert shown == {"order_id": "<str>", "lines": [line]}
    assert "&quot;tea&quot;" not in answer.content.decode()


def test_the_page_shows_the_inputs_that_an_event_carried_by_their_fields_only(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    """They hold the customer's address until the parcel is booked."""
    shop["inventory"].execute(
        "UPDATE inventory_deadletter SET headers = (headers::jsonb || jsonb_build_object("
        '\'inputs\', \'{"address": {"street": "1 Any Street"}}\'))::text WHERE id = %s',
        [letter],
    )

    html = ada.get(page(letter)).content.decode()

    assert "1 Any Street" not in html
    assert "&quot;street&quot;: &quot;&lt;str&gt;&quot;" in html


def test_the_page_of_a_letter_that_never_was_leads_away(ada: Client) -> None:
    asked = ada.get(page(new_saga()))
    assert (asked.status_code, asked["Location"]) == (302, "/admin/")


def test_the_page_of_what_only_waits_says_behind_what(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    hand("inventory", [handed_over(Order.objects.get().saga_id)])
    waiting = newest(shop, status="waiting")
    text = opened(ada, page(waiting))

    assert "It has not failed: it waits behind a parked message of its saga" in text
    assert "Tried never; it waits" in text
    assert "ReserveStock parked reserve stock do TIME" in text
    assert [each.act.name for each in ada.get(page(waiting)).context["buttons"] if each.off] == [
        "replay", "edit", "discard",
    ]  # fmt: skip


# --- who may


def test_who_may_only_look_sees_no_buttons_and_is_refused(shop: Databases, letter: UUID) -> None:
    support = client_of("support", codenames="view_")
    confirm(support)
    before = everything(shop)

    assert list(support.get(page(letter)).context["buttons"]) == []
    form = {"version": 0, "reason": REASON, "stage": "send", "payload": "{}"}
    for act in ("replay", "edit", "discard", "reveal"):
        assert support.get(page(letter, act)).status_code == 403
        assert support.post(page(letter, act), form).status_code == 403
    assert everything(shop) == before


@pytest.mark.parametrize("missing", RIGHTS)
def test_each_act_needs_its_own_right(shop: Databases, letter: UUID, missing: str) -> None:
    client = operator(rights=[each for each in RIGHTS if each != missing])
    before = everything(shop)

    offered = [each.act.name for each in client.get(page(letter)).context["buttons"]]
    assert offered == [each for each in RIGHTS if each != missing]
    assert client.post(page(letter, missing), {"version": 0, "reason": REASON}).status_code == 403
    assert everything(shop) == before


def test_who_may_correct_but_not_look_is_told_so(shop: Databases, letter: UUID) -> None:
    client = operator(rights=["edit"])
    [button] = client.get(page(letter)).context["buttons"]

    assert button.act.name == "edit"
    assert button.off.startswith("To correct a message is to see its payload, and you lack")
    assert client.get(page(letter, "edit")).status_code == 403
    assert client.post(page(letter, "edit"), {"version": 0, "reason": "x"}).status_code == 403


@pytest.mark.parametrize("context", ["orders", "payments", "sagas"])
def test_a_right_is_one_of_its_own_context(shop: Databases, context: str) -> None:
    park_for(new_saga(), context)
    park_for(new_saga(), "pricing")
    client = client_of("clerk", codenames="view_")
    own = Permission.objects.filter(codename="replay_deadletter", content_type__app_label=context)
    User.objects.get(username="clerk").user_permissions.add(*own)

    here, there = newest(shop, context), newest(shop, "pricing")
    assert client.get(f"/admin/{context}/deadletter/{here}/replay/").status_code == 200
    assert client.get(f"/admin/pricing/deadletter/{there}/replay/").status_code == 403


# --- what is refused


@pytest.mark.parametrize("reason", ["", "  ", "...", "42"])
@pytest.mark.parametrize("act", RIGHTS)
def test_without_a_reason_nothing_is_done(
    shop: Databases, ada: Client, letter: UUID, act: str, reason: str
) -> None:
    before = everything(shop)
    asked = ada.post(page(letter, act), {"version": 0, "reason": reason})

    assert asked.status_code == 400
    assert asked.context["form"].errors.keys() == {"reason"}
    assert "&quot;tea&quot;" not in asked.content.decode()
    assert everything(shop) == before


@pytest.mark.parametrize("act", ["edit", "discard", "reveal"])
def test_who_did_not_confirm_lately_is_asked_to(shop: Databases, letter: UUID, act: str) -> None:
    client = operator(confirmed=False)
    before = everything(shop)
    asked = client.post(page(letter, act), {"version": 0, "reason": REASON})

    there = f"/admin/confirm/?next={quote(page(letter, act), safe='')}"
    assert (asked.status_code, asked["Location"]) == (302, there)
    assert there in client.get(page(letter, act)).content.decode()
    assert everything(shop) == before


def test_a_replay_of_what_moves_no_money_asks_nobody_to_confirm(
    shop: Databases, letter: UUID
) -> None:
    client = operator(confirmed=False)
    done = client.post(page(letter, "replay"), {"version": 0, "reason": REASON})

    assert (done.status_code, done["Location"]) == (302, page(letter))
    assert audit(shop) == [("replay", "ada", 0, REASON)]


def test_who_sends_again_what_payments_parked_confirms_first(shop: Databases) -> None:
    park_for(new_saga(), "payments")
    letter = newest(shop, "payments")
    [group] = groups(context="payments")
    client, before = operator(confirmed=False), everything(shop, "payments")
    form = {"version": 0, "limit": "all", "reason": REASON}

    for way in (f"{letter}/replay/", f"groups/{group.fingerprint}/"):
        there = f"/admin/payments/deadletter/{way}"
        shown, answer = client.get(there), client.post(there, form)
        confirm_there = f"/admin/confirm/?next={quote(there, safe='')}"
        assert answer["Location"] == confirm_there
        assert confirm_there in shown.content.decode()
        assert "<textarea" not in shown.content.decode()  # what is typed would be lost
        assert everything(shop, "payments") == before

    confirm(client)
    assert client.post(there, form)["Location"].startswith(f"{there}?since=")
    assert everything(shop, "payments") != before


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_a_letter_that_was_replayed_meanwhile_is_left_alone(
    shop: Databases, ada: Client, letter: UUID, act: str
) -> None:
    operations.replay_letter(
        context="inventory", letter_id=letter, version=0, actor=BOB, reason="I was faster"
    )
    before = everything(shop)
    asked = ada.post(page(letter, act), {"version": 0, "reason": REASON})
    text = read(asked.content.decode())

    assert asked.status_code == 409
    assert "The parked message has changed since you looked at it." in text
    assert "TIME: bob sent it again, because: I was faster" in text
    assert REASON in asked.content.decode()
    assert asked.context["form"]["version"].value() == "1"
    assert everything(shop) == before
    again = {"version": 1, "reason": REASON}
    assert ada.post(page(letter, act), again).status_code == 302


def test_who_is_overtaken_by_a_failure_reads_of_it_and_may_go_on(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    shop["inventory"].execute(  # the engine sent it again, which failed alike
        "UPDATE inventory_deadletter SET version = 1, failed_at = now() WHERE id = %s", [letter]
    )
    asked = ada.post(page(letter, "discard"), {"version": 0, "reason": REASON})

    text = read(asked.content.decode())
    assert "Its saga sent it again, and it failed again: The headers or the payload" in text
    assert "seen:" not in text
    again = {"version": asked.context["form"]["version"].value(), "reason": REASON}
    assert ada.post(page(letter, "discard"), again).status_code == 302


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_a_letter_that_was_settled_meanwhile_is_left_alone(
    shop: Databases, ada: Client, letter: UUID, act: str
) -> None:
    operations.discard_letter(
        context="inventory", letter_id=letter, version=0, actor=BOB, reason="it is obsolete"
    )
    before = everything(shop)
    asked = ada.post(page(letter, act), {"version": 0, "reason": REASON})
    text = read(asked.content.decode())

    assert asked.status_code == 409
    assert "There is no open parked message of that id: it was settled" in text
    assert "bob gave it up, because: it is obsolete" in text
    assert "Somebody gave it up; who and why, the history says." in text
    assert everything(shop) == before


def test_what_was_compensated_is_superseded_and_nothing_can_be_done(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    """The compensation passes the parked action and buries its step."""
    hand("inventory", [release(Order.objects.get().saga_id)])
    assert status_of(shop, letter) == "superseded"
    before = everything(shop)
    answer = ada.get(page(letter))
    text = read(answer.content.decode())

    why = "Its step was compensated before it ran: it is to have no effect any more. There is"
    assert why in text
    assert [each.act.name for each in answer.context["buttons"] if each.off.startswith(why)] == [
        "replay", "edit", "discard",
    ]  # fmt: skip
    assert "If it is replayed as it is" not in text
    asked = ada.post(page(letter, "replay"), {"version": 1, "reason": REASON})
    assert asked.status_code == 409
    assert "status: superseded" in read(asked.content.decode())
    assert everything(shop) == before


# --- replay and discard


def test_a_replay_is_written_down_and_followed_until_it_is_handled(
    shop: Databases, ada: Client
) -> None:
    park("inventory", [Failure(reserve(new_saga()), RuntimeError("the handler has a bug"))])
    letter = newest(shop)
    done = ada.post(page(letter, "replay"), {"version": 0, "reason": REASON}, follow=True)
    text = read(done.content.decode())

    assert done.redirect_chain == [(page(letter), 302)]
    assert "Sent to inventory-commands again as message" in text
    assert audit(shop) == [("replay", "ada", 0, REASON)]
    assert "What came of the last replay under way It is sent. inventory has not carried" in text
    assert "TIME ada sent it again the price list was wrong" in text
    follow = done.context["follow"]
    quiet = ada.get(follow["ask"], headers={"HX-Request": "true"})
    assert (quiet.status_code, quiet.content) == (204, b"")

    deliver_inventory(shop)
    news = ada.get(follow["ask"], headers={"HX-Request": "true"})
    assert news.status_code == 200
    text = read(news.content.decode())
    assert "What came of the last replay handled inventory has carried out what it asks." in text
    assert news.context["follow"] is None
    assert status_of(shop, letter) == "replayed"


def test_a_paused_page_is_not_asked_again(shop: Databases, ada: Client, letter: UUID) -> None:
    ada.post(page(letter, "replay"), {"version": 0, "reason": REASON})
    live, paused = ada.get(page(letter)), ada.get(page(letter) + "?paused=1")

    assert 'hx-trigger="every 3s"' in live.content.decode()
    assert live.context["follow"]["stop"] == f"{page(letter)}?paused=1"
    assert "every 3s" not in paused.content.decode()
    assert "Not followed." in read(paused.content.decode())


def test_a_replay_that_fails_again_says_so(shop: Databases, ada: Client, letter: UUID) -> None:
    ada.post(page(letter, "replay"), {"version": 0, "reason": REASON})
    deliver_inventory(shop)
    text = opened(ada, page(letter))

    assert "What came of the last replay failed again UnreadableMessage:" in text
    assert "Tried 8 times; sent again by hand once" in text
    assert status_of(shop, letter) == "parked"


def test_a_second_replay_while_the_first_is_under_way_is_warned_of(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    assert "It was sent again already" not in opened(ada, page(letter, "replay"))
    ada.post(page(letter, "replay"), {"version": 0, "reason": REASON})
    assert "It was sent again already" in opened(ada, page(letter, "replay"))


def test_a_message_that_is_only_listened_to_is_followed_where_it_is_parked_anew(
    shop: Databases, ada: Client
) -> None:
    """Its own row is settled when it is sent; what came of it stands elsewhere."""
    event = handed_over(new_saga())
    park("orders", [Failure(event, RuntimeError("no"))])
    letter = newest(shop, "orders")
    there = f"/admin/orders/deadletter/{letter}/change/"
    ada.post(there.replace("change", "replay"), {"version": 0, "reason": REASON})

    assert "sent It is sent, and was not parked again so far." in opened(ada, there)
    sent = collect(shop["orders"], "orders")
    [again] = [each for each in sent if each.topic == "shipping-events"]
    park("orders", [Failure(again, RuntimeError("still no"))])
    text = opened(ada, there)
    assert "failed again It was parked anew: RuntimeError: still no" in text
    anew = f'href="/admin/orders/deadletter/{newest(shop, "orders")}/change/"'
    assert anew in ada.get(there).content.decode()


def test_a_discard_is_written_down_and_lets_go_what_waited(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    hand("inventory", [handed_over(Order.objects.get().saga_id)])
    waiting = newest(shop, status="waiting")
    assert "1 message of its saga goes on at once." in opened(ada, page(letter, "discard"))
    done = ada.post(page(letter, "discard"), {"version": 0, "reason": REASON}, follow=True)
    text = read(done.content.decode())

    assert "Discarded; it is not sent again by itself." in text
    assert "TIME ada gave it up the price list was wrong" in text
    assert (status_of(shop, letter), status_of(shop, waiting)) == ("discarded", "released")
    assert audit(shop) == [("discard", "ada", 0, REASON)]


# --- looking at a payload


def test_a_payload_is_shown_once_and_written_down(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    assert "&quot;tea&quot;" not in ada.get(page(letter, "reveal")).content.decode()
    shown = ada.post(page(letter, "reveal"), {"version": 0, "reason": REASON})

    assert shown.status_code == 200
    assert "&quot;product_id&quot;: &quot;tea&quot;" in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert audit(shop) == [("reveal_payload", "ada", 0, REASON)]
    assert "TIME ada looked at the payload the price list was wrong" in opened(ada, page(letter))


# --- correcting


def test_the_editor_is_opened_with_a_reason_only(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    first = ada.get(page(letter, "edit")).content.decode()
    assert "&quot;tea&quot;" not in first
    assert "Show the payload and correct it" in first
    before = everything(shop)

    early = check(ada, shop, letter)
    assert (early.status_code, early["Location"]) == (302, page(letter, "edit"))
    assert everything(shop) == before

    editor = shown_to(ada, letter)
    assert "&quot;product_id&quot;: &quot;tea&quot;" in editor
    assert audit(shop) == [("reveal_payload", "ada", 0, REASON)]


def test_who_else_looked_opens_nobody_elses_editor(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    shown_to(operator("eve"), letter)

    assert check(ada, shop, letter).status_code == 302


def test_a_check_shows_the_difference_and_sends_nothing(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    shown_to(ada, letter)
    before = everything(shop)
    checked = check(ada, shop, letter)
    lines = checked.context["checked"].payload

    assert checked.status_code == 200
    assert [(each.sign, each.word, each.text.strip()) for each in lines if each.word] == [
        ("-", "removed", '"quantity": "2"'),
        ("+", "added", '"quantity": 2'),
    ]
    assert "- removed: &quot;quantity&quot;: &quot;2&quot;" in read(checked.content.decode())
    assert "stays parked until inventory has carried it out" in read(checked.content.decode())
    assert everything(shop) == before


def test_a_corrected_message_is_sent_handled_and_its_saga_goes_on(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    original = payload_of(shop, letter)
    shown_to(ada, letter)
    done = send(ada, shop, letter)

    assert (done.status_code, done["Location"]) == (302, page(letter))
    assert audit(shop) == [
        ("reveal_payload", "ada", 0, REASON),
        ("edit_and_replay", "ada", 0, REASON),
    ]
    [row] = (
        shop["inventory"]
        .execute("SELECT payload, edited_payload, edited_by FROM inventory_deadletter")
        .fetchall()
    )
    assert [bytes(row[0]).decode(), bytes(row[1]).decode(), row[2]] == [
        original, original.replace('"2"', "2"), "ada",
    ]  # fmt: skip
    text = opened(ada, page(letter))
    assert "Corrected by ada: $.lines[0].quantity." in text
    assert "changed $.lines[0].quantity" in text
    deliver(shop)
    assert status_of(shop, letter) == "replayed"
    assert Order.objects.get().status == OrderStatus.CONFIRMED


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ('{"lines": [\n  {"product_id": "tea",, }]}',
         "This is no JSON: Expecting property name enclosed in double quotes in line 2, column 24."
         " Correct it there, then check again."),
        ('{"lines": []}',
         "Object missing required field “order_id”. Correct that field, then check again."),
        ("WRONG_NUMBER",
         "Expected a whole number, got a text - at “$.lines[0].quantity”. Correct that field, then"
         " check again."),
        ("UNKNOWN_FIELD",
         "$.line: ReserveStock has no such field; did you mean 'lines'? Correct its name or leave"
         " it out."),
        ("", "This field is required."),
    ],
)  # fmt: skip
def test_a_wrong_payload_is_told_by_its_field_and_stays_as_it_was_typed(
    shop: Databases, ada: Client, letter: UUID, payload: str, told: str
) -> None:
    made = {
        "WRONG_NUMBER": payload_of(shop, letter),
        "UNKNOWN_FIELD": corrected(shop, letter).replace("{", '{"line": 1,', 1),
    }
    typed = made.get(payload, payload)
    shown_to(ada, letter)
    before = everything(shop)
    for stage in ("check", "send"):
        asked = ada.post(page(letter, "edit"), correction(shop, letter, stage, payload=typed))
        form = asked.context["form"]

        assert asked.status_code == 400
        assert dict(form.errors) == {"payload": [told]}
        assert form["payload"].value() == typed
        assert form["reason"].value() == REASON
    assert everything(shop) == before


@pytest.mark.parametrize(
    ("header", "value", "told"),
    [
        ("type", "ReserveStok", "No message 'ReserveStok' of version 1 is known; did you mean"
         " 'ReserveStock'? Correct it, then check again."),
        ("version", "7", "No message 'ReserveStock' of version 7 is known; there is version 1."
         " Correct it, then check again."),
        ("plan", "no plan", "Correct it, then check again."),
    ],
)  # fmt: skip
def test_a_wrong_header_is_told_at_its_own_field(
    shop: Databases, ada: Client, letter: UUID, header: str, value: str, told: str
) -> None:
    shown_to(ada, letter)
    before = everything(shop)
    asked = check(ada, shop, letter, **{f"header_{header}": value})
    form, name = asked.context["form"], f"header_{header}"

    assert asked.status_code == 400
    assert list(form.errors) == [name]
    assert told in form.errors[name][0]
    assert form[name].value() == value
    assert "<details open>" in asked.content.decode()
    assert everything(shop) == before


def test_a_header_of_a_version_that_nobody_knows_is_corrected(shop: Databases, ada: Client) -> None:
    record = reserve(new_saga())
    hand("inventory", [garbled(record, {"version": b"99"})])
    letter = newest(shop)
    assert "No message of this type and version is known here" in shown_to(ada, letter)
    change = {"header_version": "1", "payload": record.payload.decode()}
    checked = check(ada, shop, letter, **change)
    assert [each.text for each in checked.context["checked"].headers] == [
        "version: 99", "version: 1",
    ]  # fmt: skip
    assert "Payload It stays as it is." in read(checked.content.decode())
    assert send(ada, shop, letter, **change).status_code == 302

    assert "version 1 (corrected; was: 99)" in opened(ada, page(letter))
    deliver_inventory(shop)
    assert status_of(shop, letter) == "replayed"


def test_what_came_of_a_message_that_could_not_be_read_is_told_by_the_saga_log(
    shop: Databases, ada: Client
) -> None:
    """Nobody could tell what it asks, so its own row is settled as soon as it is sent."""
    record = reserve(new_saga())
    hand("inventory", [garbled(record, {"plan": b"no plan", "mode": b"dancing"})])
    letter = newest(shop)
    shown_to(ada, letter)
    change = {
        "header_mode": "orchestrated", "header_plan": PLAN.to_header(),
        "payload": record.payload.decode(),
    }  # fmt: skip
    assert send(ada, shop, letter, **change).status_code == 302

    assert status_of(shop, letter) == "replayed"
    assert "sent It is sent, and was not parked again so far." in opened(ada, page(letter))
    deliver_inventory(shop)
    noted = "handled inventory has noted since: reserve stock is done."
    assert noted in opened(ada, page(letter))


def test_headers_that_cannot_be_changed_cannot_be_smuggled_in(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    shown_to(ada, letter)
    done = send(ada, shop, letter, header_saga_id=str(new_saga()), header_generation="9")

    assert done.status_code == 302
    sent = resent(Shelf(shop["inventory"]), "inventory-commands").envelope
    assert sent is not None
    assert (sent.request.saga_id, sent.request.generation) == (Order.objects.get().saga_id, 1)


def test_nothing_changed_is_refused_in_words(shop: Databases, ada: Client) -> None:
    park("inventory", [Failure(reserve(new_saga()), RuntimeError("a bug"))])
    letter = newest(shop)
    shown_to(ada, letter)
    asked = check(ada, shop, letter)

    assert asked.status_code == 400
    assert asked.context["form"].non_field_errors() == [
        "Nothing was changed; replay it as it is, or correct something."
    ]


def test_what_was_changed_after_the_check_is_checked_before_it_is_sent(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    shown_to(ada, letter)
    checked = check(ada, shop, letter)
    sign = re.search(r'name="checked" value="(\w+)"', checked.content.decode())
    assert sign
    before = everything(shop)
    more = corrected(shop, letter).replace('"quantity":2', '"quantity":3')
    form = correction(shop, letter, "send", checked=sign[1], payload=more)
    asked = ada.post(page(letter, "edit"), form)

    assert asked.status_code == 200
    assert "You changed something after the check, so nothing was sent." in read(
        asked.content.decode()
    )
    assert [each.text.strip() for each in asked.context["checked"].payload if each.word] == [
        '"quantity": "2"', '"quantity": 3',
    ]  # fmt: skip
    assert everything(shop) == before


def test_a_confirmation_that_runs_out_loses_nothing_that_was_typed(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    shown_to(ada, letter)
    session = ada.session
    session["confirmed_at"] -= 601
    session.save()
    before = everything(shop)
    typed = '{"half": "typed'
    asked = ada.post(page(letter, "edit"), correction(shop, letter, "send", payload=typed))
    html = asked.content.decode()

    assert asked.status_code == 403
    assert asked.context["form"]["payload"].value() == typed
    assert 'href="/admin/confirm/?next=' in html
    assert "it is more than ten minutes since you confirmed who you are" in read(html)
    assert everything(shop) == before


@pytest.mark.parametrize("stage", ["check", "send"])
def test_a_correction_of_what_moved_meanwhile_is_refused_and_kept(
    shop: Databases, ada: Client, letter: UUID, stage: str
) -> None:
    shown_to(ada, letter)
    checked = check(ada, shop, letter).content.decode()
    sign = re.search(r'name="checked" value="(\w+)"', checked)
    assert sign
    form = correction(shop, letter, stage, checked=sign[1])
    operations.replay_letter(
        context="inventory", letter_id=letter, version=0, actor=BOB, reason="I was faster"
    )
    before = everything(shop)
    asked = ada.post(page(letter, "edit"), form)
    text = read(asked.content.decode())

    assert asked.status_code == 409
    assert "The parked message has changed since you looked at it." in text
    assert "bob sent it again, because: I was faster" in text
    assert asked.context["form"]["payload"].value() == form["payload"]
    assert (asked.context["form"]["version"].value(), asked.context["checked"]) == ("1", None)
    assert everything(shop) == before


def test_a_correction_of_what_was_settled_meanwhile_is_refused_and_kept(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    shown_to(ada, letter)
    form = correction(shop, letter, "check")
    hand("inventory", [release(Order.objects.get().saga_id)])
    asked = ada.post(page(letter, "edit"), form)

    assert asked.status_code == 409
    assert asked.context["form"]["payload"].value() == form["payload"]
    assert "What you typed is still below, to be copied." in read(asked.content.decode())
    assert 'value="check"' not in asked.content.decode()


def test_a_payload_that_is_no_text_can_be_replaced(shop: Databases, ada: Client) -> None:
    saga = new_saga()
    hand("inventory", [garbled(reserve(saga), {"payload": b"\xff\x00{"})])
    letter = newest(shop)
    editor = shown_to(ada, letter)
    assert r"\xff" in editor
    assert "3 bytes that are no JSON" in opened(ada, page(letter))
    whole = msgspec.json.encode(ReserveStock(order_id=saga, lines=())).decode()

    assert send(ada, shop, letter, payload=whole).status_code == 302
    assert resent(Shelf(shop["inventory"]), "inventory-commands").payload == whole.encode()


# --- words, differences and outlines


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"),
     (172_799, "47 h"), (172_800, "2 days"), (864_000, "10 days"), (-5, "0 s")],
)  # fmt: skip
def test_ages_are_told_roughly(seconds: int, said: str) -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    assert age(now - timedelta(seconds=seconds), now) == said


@pytest.mark.parametrize(
    ("error", "said"),
    [("no such\n account", "X: no such account"),
     (str(UnreadableMessage(problem="no (plan)")), "X: problem='no (plan)'"),
     ("out of range (max=3)", "X: out of range (max=3)")],
)  # fmt: skip
def test_an_error_in_one_line_leaves_out_the_advice_that_is_always_the_same(
    error: str, said: str
) -> None:
    assert gist("X", error) == said


def test_a_difference_shows_three_lines_around_and_says_where_it_left_some_out() -> None:
    before = "\n".join("abcdefghij")
    shown = difference(before, before.replace("f", "F"))
    assert [f"{each.sign}{each.text}" for each in shown] == [
        "…lines that are the same", " c", " d", " e", "-f", "+F", " g", " h", " i",
    ]  # fmt: skip
    assert [each.sign for each in difference("a\nb", "a\nB")] == [" ", "-", "+"]
    assert difference(before, before) == []


def test_what_is_sent_is_the_original_where_it_says_the_same() -> None:
    original = b'{"a" : 1.0,"b":12345678901234567890}'
    text = readable(original)
    assert as_sent(text.replace("\n", "\r\n") + "\n", original) == original
    changed = text.replace("1.0", "1.5").replace("\n", "\r\n")
    assert as_sent(changed, original) == b'{"a":1.5,"b":12345678901234567890}'
    assert as_sent("no json", original) == b"no json"


def test_the_outline_of_a_type_names_its_fields_and_kinds() -> None:
    outline = json.loads(looks_like(OrderCreated))
    assert outline["order_id"] == "id"
    assert outline["payment_method"] == "credit or card"
    assert outline["gift_wrap"] == "true or false"
    assert outline["lines"] == [
        {"product_id": "text", "quantity": "whole number", "unit_price_cents": "whole number"}
    ]


# --- what comes from outside is text


EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>=cmd|calc'


def test_what_an_error_or_a_payload_says_is_text_and_no_markup(
    shop: Databases, ada: Client
) -> None:
    saga = new_saga()
    record = garbled(
        reserve(saga), {"payload": json.dumps({EVIL: EVIL, "x": "</textarea>" + EVIL}).encode()}
    )
    park("inventory", [Failure(record, ValueError(EVIL))])
    letter = newest(shop)
    fingerprint = groups(context="inventory")[0].fingerprint
    pages = [
        ada.get(LIST), ada.get(page(letter)), ada.get(page(letter, "replay")),
        ada.get(f"{LIST}groups/"), ada.get(f"{LIST}groups/{fingerprint}/"),
        ada.post(page(letter, "reveal"), {"version": 0, "reason": EVIL}),
        ada.post(page(letter, "edit"), {"version": 0, "reason": EVIL}),
        ada.post(page(letter, "edit"), correction(shop, letter, "check", payload=EVIL)),
        ada.get(page(letter)),
        ada.get(LIST, {"q": EVIL}),
    ]  # fmt: skip

    assert [each.status_code for each in pages] == [200] * 7 + [400, 200, 200]
    for each in pages:
        html = each.content.decode()
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "</textarea>&lt;script" not in html
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)" in pages[6].content.decode()


# --- groups


@pytest.fixture
def alike(shop: Databases, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Breakable]:
    """Twelve messages that failed alike, beside one that did not; and their handler, broken."""
    sagas = [new_saga() for _ in range(12)]
    handler = Breakable(monkeypatch, ReserveStock)
    handler.break_for(*sagas)
    hand("inventory", [*map(reserve, sagas)])
    hand("inventory", [garbled(reserve(new_saga()), {"payload": b"{}"})])
    return groups(context="inventory")[0].fingerprint, handler


Alike = tuple[str, Breakable]


def test_the_groups_are_counted_the_most_frequent_first(
    shop: Databases, ada: Client, alike: Alike
) -> None:
    text = opened(ada, f"{LIST}groups/")

    rows = [
        "12 RuntimeError: the handler has a bug ReserveStock reserve stock",
        "1 UnreadableMessage: type=&#x27;ReserveStock&#x27;, problem=&#x27;Object missing required"
        " field `order_id`&#x27; ReserveStock reserve stock",
    ]
    assert all(row in text for row in rows)
    assert text.index(rows[0]) < text.index(rows[1])


def test_one_page_has_the_groups_of_all_contexts(
    shop: Databases, ada: Client, alike: Alike
) -> None:
    park_for(new_saga(), "payments")
    text = opened(ada, f"{LIST}groups/?everywhere")

    assert "1 ValueError: no such account AuthorizePayment authorize payment" in text
    assert "12 RuntimeError: the handler has a bug" in text
    assert text.count("Nothing is parked.") == 6
    here = opened(ada, f"{LIST}groups/")
    assert "no such account" not in here


def test_of_a_group_one_is_sent_and_what_came_of_it_is_shown(
    shop: Databases, ada: Client, alike: Alike
) -> None:
    fingerprint, handler = alike
    handler.mend()
    there = f"{LIST}groups/{fingerprint}/"
    first = ada.get(there)
    assert [key for key, _ in first.context["form"].fields["limit"].choices] == ["1", "10", "all"]
    oldest = [str(row[1]) for row in first.context["first"].rows]
    assert len(oldest) == 10

    done = ada.post(there, {"version": 0, "limit": "1", "reason": REASON}, follow=True)
    assert "1 message sent again. What comes of it shows below." in read(done.content.decode())
    assert "What came of this run 1 under way" in read(done.content.decode())
    assert audit(shop) == [("replay_group", "ada", 0, REASON)]
    ask = done.context["follow"]["ask"]
    assert ada.get(ask, headers={"HX-Request": "true"}).status_code == 204

    deliver_inventory(shop)
    news = ada.get(ask, headers={"HX-Request": "true"})
    assert "What came of this run 1 handled" in read(news.content.decode())
    assert "Parked 11 messages" in read(news.content.decode())
    assert news.context["follow"] is None


def test_of_a_group_it_is_told_how_many_failed_again(
    shop: Databases, ada: Client, alike: Alike
) -> None:
    fingerprint, handler = alike
    handler.sick = set(list(handler.sick)[:4])
    there = f"{LIST}groups/{fingerprint}/"
    done = ada.post(there, {"version": 0, "limit": "all", "reason": REASON}, follow=True)
    assert "12 messages sent again." in read(done.content.decode())
    deliver_inventory(shop)
    text = opened(ada, done.redirect_chain[0][0])

    assert "What came of this run 8 handled 4 failed again" in text
    assert "RuntimeError: the handler has a bug" in text
    assert "Parked 4 messages" in text
    assert "Sent again in the last 24 hours 8 handled 4 failed again" in opened(ada, there)
    assert len(audit(shop)) == 12


def test_ten_of_a_group_are_ten(shop: Databases, ada: Client, alike: Alike) -> None:
    there = f"{LIST}groups/{alike[0]}/"
    ada.post(there, {"version": 0, "limit": "10", "reason": REASON})

    assert len(audit(shop)) == 10


def test_a_group_is_refused_without_right_and_without_reason(
    shop: Databases, ada: Client, alike: Alike
) -> None:
    there = f"{LIST}groups/{alike[0]}/"
    support = operator("support", rights=["edit", "discard", "reveal"])
    before = everything(shop)
    form = {"version": 0, "limit": "1", "reason": REASON}

    assert support.get(there).status_code == 200
    assert support.get(there).context["form"] is None
    assert support.post(there, form).status_code == 403
    assert ada.post(there, form | {"reason": "..."}).status_code == 400
    assert ada.post(there, form | {"limit": "5"}).status_code == 400
    assert everything(shop) == before


def test_a_group_that_somebody_settled_meanwhile_is_told(
    shop: Databases, ada: Client, alike: Alike
) -> None:
    fingerprint, handler = alike
    handler.mend()
    operations.replay_group(
        context="inventory", fingerprint=fingerprint, limit=12, actor=BOB, reason="I was faster"
    )
    deliver_inventory(shop)
    before = everything(shop)
    there = f"{LIST}groups/{fingerprint}/"
    asked = ada.post(there, {"version": 0, "limit": "1", "reason": REASON})
    text = read(asked.content.decode())

    assert asked.status_code == 409
    assert "No message with that fingerprint is parked here." in text
    assert "None of this kind is parked any more." in text
    assert "12 handled" in text
    assert everything(shop) == before


def test_letters_without_a_fingerprint_are_a_group_too(
    shop: Databases, ada: Client, letter: UUID
) -> None:
    shop["inventory"].execute("UPDATE inventory_deadletter SET fingerprint = ''")

    assert f'href="{LIST}groups/none/"' in ada.get(f"{LIST}groups/").content.decode()
    there = f"{LIST}groups/none/"
    assert "Parked 1 message" in opened(ada, there)
    done = ada.post(there, {"version": 0, "limit": "all", "reason": REASON})
    assert done["Location"].startswith(f"{there}?since=")
    assert audit(shop) == [("replay_group", "ada", 0, REASON)]


def test_the_page_of_a_letter_leads_to_those_that_failed_alike(
    shop: Databases, ada: Client, alike: Alike
) -> None:
    one = groups(context="inventory")[0].example
    assert "12 messages, this one among them" in opened(ada, page(one))
    assert f'href="{LIST}groups/{alike[0]}/"' in ada.get(page(one)).content.decode()
