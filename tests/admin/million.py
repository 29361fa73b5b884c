"""As many sagas as a big shop has, made by the database itself.

    .venv/bin/python -m sagaplatform.stack run --test -- python -m tests.admin.million

fills the test databases with a million sagas, prints how long each page and each choice takes, and
fails where one asks the sagas' database more often than MOST says. docs/decisions/0038 has the
figures of one such run. `--keep` looks at what is there already.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg

MOST = {"list": 3, "page": 19}  # statements, as of a few sagas

# So many sagas, one every `apart` seconds until now: 1 in 8 turned back, the last 400 of them and
# 1 in 2,000 of all still in flight. An id begins with its time, as UUIDv7 do.
LOAD = """
INSERT INTO sagas_saga (saga_id, order_id, process, version, mode, plan, customer_id, total_cents,
    currency, status, pending_step, pending_action, pending_generation, pending_since, due_at,
    deadline_at, inputs, cause_step, cause_type, cause, cause_reason, revision, started_at,
    changed_at, ended_at, desk_due_at)
SELECT (at.hex || '-7' || substr(md5(n::text), 1, 3) || '-8' || substr(md5(n::text), 4, 3) || '-'
        || substr(md5(n::text), 7, 12))::uuid,
    (at.hex || '-7' || substr(md5('o' || n), 1, 3) || '-8' || substr(md5('o' || n), 4, 3) || '-'
        || substr(md5('o' || n), 7, 12))::uuid,
    CASE WHEN n %% 100 = 7 THEN 'cancel_order' ELSE 'place_order' END, 1,
    CASE WHEN n %% 1000 = 3 THEN 'choreographed' ELSE 'orchestrated' END,
    'place_order/1/orchestrated/create_order,reserve_stock,freeze_price,authorize_payment,'
        || 'create_shipment,capture_payment,confirm_order,send_confirmation',
    1 + n %% 50000, 100 + (n * 7919::bigint) %% 30000, 'USD', its.status,
    CASE WHEN its.live THEN 'authorize_payment' END,
    CASE WHEN its.live THEN CASE WHEN its.turned THEN 'undo' ELSE 'do' END END,
    CASE WHEN its.live THEN 1 END, CASE WHEN its.live THEN at.moment END,
    CASE WHEN its.live THEN now() + interval '1 hour' END, at.moment + interval '1 hour', '{}',
    CASE WHEN its.turned THEN (ARRAY['reserve_stock', 'authorize_payment', 'create_shipment'])
        [1 + n %% 3] ELSE '' END,
    CASE WHEN its.turned THEN (ARRAY['StockReservationFailed', 'PaymentDeclined',
        'ShipmentRefused'])[1 + n %% 3] ELSE '' END,
    CASE WHEN its.turned THEN '{}'::jsonb END,
    CASE WHEN its.turned THEN (ARRAY['Short of product ' || n %% 5000, 'The bank declined the card',
        'The carrier takes at most 60 pieces, the order has ' || 61 + n %% 40])[1 + n %% 3]
        ELSE '' END,
    5, at.moment, at.moment,
    CASE WHEN NOT its.live THEN at.moment + interval '1 second' * (1 + n %% 20) END,
    CASE WHEN its.status = 'stuck' THEN now() + interval '1 hour' END
FROM generate_series(1, %(count)s) AS n,
    LATERAL (SELECT clock.moment,
            substr(clock.millis, 1, 8) || '-' || substr(clock.millis, 9) AS hex
        FROM (SELECT given.moment, lpad(to_hex((extract(epoch FROM given.moment) * 1000)::bigint),
                12, '0') AS millis
            FROM (SELECT now() - (%(count)s - n) * interval '1 second' * %(apart)s AS moment)
                AS given) AS clock) AS at,
    LATERAL (SELECT kind.live, kind.turned, CASE
            WHEN NOT kind.live AND kind.turned THEN 'undone'
            WHEN NOT kind.live THEN 'confirmed'
            WHEN n %% 10000 = 0 THEN 'stuck'
            WHEN kind.turned THEN 'compensating' ELSE 'running' END AS status
        FROM (SELECT n > %(count)s - 400 OR n %% 2000 = 0 AS live, n %% 8 = 0 AS turned) AS kind)
        AS its
"""


def load(owner: psycopg.Connection, count: int, *, seconds_apart: float = 8.64) -> None:
    """Fill the empty table, and let PostgreSQL look at it as it would by itself."""
    owner.execute(LOAD, {"count": count, "apart": seconds_apart})
    owner.execute("VACUUM ANALYZE sagas_saga")


def addresses() -> Iterator[tuple[str, str]]:
    """What is measured: a name, and the address behind the list's own."""
    from apps.sagas.models import Saga

    some = Saga.objects.order_by("saga_id")[1000]
    day = some.started_at.date().isoformat()
    yield "first page", ""
    yield "oldest first", "?o=6"
    yield "in flight", "?status__exact=live"
    yield "in flight, oldest first", "?status__exact=live&o=6"
    for status in ("stuck", "compensating", "confirmed", "undone"):
        yield f"state {status}", f"?status__exact={status}"
    yield "process, 1 in 100", "?process=cancel_order"
    yield "mode, 1 in 1,000", "?mode=choreographed"
    yield "taken over, 1 in 1,000", "?mode=taken_over"
    yield "waits for a step", "?pending_step=authorize_payment"
    yield "turned back at a step", "?cause_step=create_shipment"
    yield "error", "?cause_type=PaymentDeclined"
    yield "in flight for a day", "?older_than=86400"
    yield "amount, 1 in 1,000", "?amount_from=300.70"
    yield "amount, half", "?amount_from=150"
    yield "started on a day long ago", f"?started_from={day}&started_to={day}T23:59"
    yield "ended on a day long ago", f"?ended_from={day}&ended_to={day}T23:59"
    yield "undone, on that day", f"?status__exact=undone&started_from={day}&started_to={day}T23:59"
    yield "undone, dear, of a process", "?status__exact=undone&amount_from=290&process=place_order"
    yield "search: saga id", f"?q={some.saga_id}"
    yield "search: order id", f"?q={some.order_id}"
    yield "search: customer number", f"?q={some.customer_id}"
    yield "search: customer's name", "?q=customer"
    yield "search: order number, unknown", "?q=SP-0000-0000-0000"
    yield "search: error", "?q=PaymentDeclined"
    yield "search: words, 40,000 have them", "?q=carrier+pieces"
    yield "search: words, 25 have them", "?q=product+4711"
    yield "search: words, nothing has them", "?q=no+such+thing"


def main() -> None:
    """Load, measure, print."""
    import django

    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "sagaplatform.settings"
    django.setup()
    if not options.keep:
        prepare(options.count)
    measure()


def prepare(count: int) -> None:
    from django.contrib.auth.models import User

    began = time.monotonic()
    with psycopg.connect(os.environ["DATABASE_OWNER_URL_SAGAS"], autocommit=True) as owner:
        assert owner.info.dbname.startswith("test_"), "only test databases are emptied"
        owner.execute("TRUNCATE sagas_saga")
        load(owner, count)
    User.objects.filter(username__in=["agent", "customer"]).delete()
    User.objects.create_superuser("agent")
    User.objects.create_user("customer")
    say(f"{count:,} sagas in {time.monotonic() - began:.0f} s")


def measure() -> None:
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    from apps.messaging.database import Database
    from apps.sagas import figures
    from apps.sagas.models import Saga

    settings.WHITENOISE_AUTOREFRESH = True
    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client()
    client.force_login(User.objects.get(username="agent"))
    client.get("/admin/sagas/case/")
    say(f"{timed(client, '/admin/sagas/case/', MOST['list'])}  an empty list, for comparison")
    for name, query in addresses():
        say(f"{timed(client, f'/admin/sagas/saga/{query}', MOST['list'])}  {name}")
    say(f"{timed(client, '/admin/sagas/saga/' + far(), MOST['list'])}  page 1,000, by keys")
    some = Saga.objects.order_by("saga_id")[1000]
    say(f"{timed(client, f'/admin/sagas/saga/{some.pk}/change/', MOST['page'])}  a saga's page")
    for read in (figures.standings, figures.ends, figures.durations, figures.oldest):
        with Stopwatch() as database:
            read(Database("sagas"))
        say(f"{database.milliseconds:6.0f} ms in SQL  home: {read.__name__}")
    began, size = time.monotonic(), 0
    for part in client.get("/admin/sagas/saga/export/").streaming_content:  # type: ignore[attr-defined]
        size += len(part)
    say(f"{(time.monotonic() - began) * 1000:6.0f} ms  export of 100,000 rows, {size / 1e6:.0f} MB")


def far(page: int = 1000) -> str:
    """The address of a page far behind the first."""
    from apps.messaging.admin.keyset import Order
    from apps.sagas.models import Saga

    order = Order(Saga, ("-started_at", "-saga_id"))
    row = Saga.objects.order_by(*order.fields)[(page - 1) * 50 - 1]
    return f"?after={order.token(row)}"


def timed(client: Any, address: str, most: int) -> str:
    """The median of five, in milliseconds: of the whole page, and of the sagas' database in it,
    which is asked so many times at most."""
    pages, statements = [], []
    for _ in range(5):
        with Stopwatch() as database:
            began = time.monotonic()
            answer = client.get(address)
            pages.append((time.monotonic() - began) * 1000)
        assert answer.status_code == 200, (address, answer.status_code)
        assert database.statements <= most, (address, database.statements)
        statements.append(database.milliseconds)
    told = f"{statistics.median(pages):6.0f} ms, {statistics.median(statements):6.1f} in SQL"
    return f"{told}, {database.statements} statements"


class Stopwatch:
    """How long the sagas' database is waited for, by Django's statements and those by hand."""

    def __enter__(self) -> "Stopwatch":
        from django.db import connections

        from apps.messaging.database import Database

        self.milliseconds, self.statements, self.fetch = 0.0, 0, Database.fetch
        Database.fetch = lambda *args: self._run(self.fetch, *args)  # type: ignore
        connections["sagas"].execute_wrappers.append(self._run)
        return self

    def __exit__(self, *args: object) -> None:
        from django.db import connections

        from apps.messaging.database import Database

        Database.fetch = self.fetch  # type: ignore
        connections["sagas"].execute_wrappers.remove(self._run)

    def _run(self, execute: Any, *args: Any) -> Any:
        began = time.monotonic()
        try:
            return execute(*args)
        finally:
            self.milliseconds += (time.monotonic() - began) * 1000
            self.statements += 1


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
