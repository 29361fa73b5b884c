"""The peer: the same saga as a workflow of DBOS Transact.

Each step is a transaction of its own on the peer's database, in which DBOS records that the step is
done. In it the platform's own handlers decide and write, by the same statements.
"""

from collections.abc import Callable, Sequence
from typing import Self
from uuid import UUID, uuid4

import msgspec
import psycopg
from dbos import DBOS, SQLAlchemyDatasource

from apps.contracts.base import Command
from apps.contracts.catalogue import Action
from apps.contracts.numbers import number_of
from apps.contracts.orders import OrderCreated
from apps.contracts.plan import Mode
from apps.contracts.pricing import FreezePrice
from apps.contracts.reading import read
from apps.messaging.database import Database, Row
from apps.messaging.handling import Handler, Task
from apps.messaging.request import Request
from apps.messaging.wiring import key_of_type, wiring
from apps.orders.services import PLACE
from apps.pricing.handlers import freeze_price
from apps.pricing.selectors import PRICES_ON_OFFER, Offers
from apps.pricing.workspaces import PriceList
from apps.processes.place_order import PLACE_ORDER
from benchmarks.load import new_ticket
from benchmarks.peer_tables import SCHEMA, STEPS_SCHEMA, SYSTEM_SCHEMA, Spec
from benchmarks.shop import Customers
from sagaplatform.env import CONTEXTS

PLAN = PLACE_ORDER.plan(set(), Mode.ORCHESTRATED)
FIRST, *REST = (PLACE_ORDER.step(name) for name in PLAN.steps)
ANSWER = (202, "{}")


class DataSource(Database):
    """The transaction that DBOS has open for the step."""

    def __init__(self, source: SQLAlchemyDatasource) -> None:
        super().__init__("orders")
        self._source = source

    def _cursor(self) -> psycopg.Cursor[Row]:
        connection = self._source.sql_session().connection().connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        return psycopg.Cursor(connection)


class Prices(PriceList):
    """The price list, read by the step's own transaction."""

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        [command] = [each.message for each in tasks]
        assert isinstance(command, FreezePrice)
        products = [line.product_id for line in command.lines]
        rows = database.fetch(PRICES_ON_OFFER, [products])
        return cls(database, {row[0]: Offers(row[0], row[1], tuple(row[2])) for row in rows}, {})


HANDLERS: dict[tuple[str, int], Handler] = {
    key: handler for context in CONTEXTS for key, handler in wiring(context).commands.items()
}


class Shop:
    """DBOS, launched in this process, and its one workflow."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        DBOS(config={
            "name": "benchmark",
            "executor_id": f"{spec.number}-{uuid4()}",  # whose workflows no other recovers
            "system_database_url": spec.url,
            "dbos_system_schema": SYSTEM_SCHEMA,
            "sys_db_pool_size": spec.threads + 2,
            "log_level": "ERROR",
            "enable_otlp": False,
        })  # fmt: skip
        options = {"options": f"-c search_path={SCHEMA}"}
        self._source = SQLAlchemyDatasource.create(
            spec.url,
            engine_kwargs={"pool_size": spec.threads, "connect_args": options},
            schema=STEPS_SCHEMA,
        )
        self._database = DataSource(self._source)
        self.place_order = DBOS.workflow(name="place_order")(self._workflow())
        DBOS.launch()

    def buyer(self, thread: int) -> "Buyer":
        """Customers for one thread to serve."""
        return Buyer(self, Customers(self.spec.number * 1000 + thread))

    def close(self) -> None:
        DBOS.destroy()

    def _workflow(self) -> Callable[[str, str], None]:
        def place_order(key: str, order: str) -> None:
            """All steps of the plan, one after the other."""
            saga_id = UUID(DBOS.workflow_id)
            self._step(FIRST.name, self._create_order, saga_id, key, order)
            for step in REST:
                assert step.command
                command = read(order, step.command)
                self._step(step.name, self._carry_out, saga_id, step.name, command)

        return place_order

    def _step(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        self._source.run_tx_step(
            {"name": name, "isolation_level": "READ COMMITTED"},
            work,
            *arguments,
        )

    def _create_order(self, saga_id: UUID, key: str, order: str) -> None:
        created = read(order, OrderCreated)
        claim = (created.customer_id, key, b"benchmark", created.order_id, *ANSWER)
        facts = (created.currency, created.total_cents, str(created.payment_method), False)
        to = created.address
        address = (to.name, to.street, to.postal_code, to.city, to.country)
        lines = [
            [n, line.product_id, line.quantity, line.unit_price_cents]
            for n, line in enumerate(created.lines, 1)
        ]
        number = number_of(created.order_id)
        given = (*claim, saga_id, number, *facts, PLAN.to_header(), *address)
        self._database.fetch(PLACE, (*given, *map(list, zip(*lines, strict=True))))

    def _carry_out(self, saga_id: UUID, step: str, command: Command) -> None:
        """Load, decide, save, as the platform's batches do, but of one request."""
        handler = HANDLERS[key_of_type(type(command))]
        workspace_type = Prices if handler.decide is freeze_price else handler.workspace
        request = Request(saga_id, step, Action.DO, 1, Mode.ORCHESTRATED)
        workspace = workspace_type.load(self._database, [Task(request, command)])
        workspace.request = request
        handler.decide(command, workspace)
        workspace.save()


class Buyer:
    """Places orders by calling the workflow, which returns when its last step is done."""

    def __init__(self, shop: Shop, customers: Customers) -> None:
        self._shop = shop
        self._customers = customers

    def buy(self) -> str:
        ticket = new_ticket()
        order = msgspec.json.encode(self._customers.order()).decode()
        self._shop.place_order(ticket, order)
        return ticket
