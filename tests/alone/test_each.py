"""Every context, and some together, with the addresses of their own databases and no others."""

import json

import pytest

from sagaplatform.env import ALIASES, CONTEXTS
from tests.alone.deployments import environment, manage, python

BUT_INVENTORY = tuple(each for each in CONTEXTS if each != "inventory")
DEPLOYMENTS = [
    *(((each,), False) for each in CONTEXTS),
    (("orders",), True),
    (("inventory", "pricing"), False),
    (("inventory", "pricing"), True),
    (BUT_INVENTORY, True),
    (CONTEXTS, False),
]


def named(value: object) -> str:
    """How pytest calls a deployment."""
    return "+".join(value) if isinstance(value, tuple) else "users" * bool(value) or "alone"


@pytest.mark.parametrize(("contexts", "users"), DEPLOYMENTS, ids=named)
def test_a_deployment_has_its_contexts_and_nothing_of_others(
    contexts: tuple[str, ...], users: bool
) -> None:
    """It passes Django's checks; every module that it has can be imported, and imports none of a
    context that is not there."""
    status, told = python(environment(*contexts, users=users), "-m", "tests.alone.importing")

    assert status == 0, told
    found = json.loads(told.splitlines()[-1])
    is_whole = contexts == CONTEXTS
    assert found["databases"] == [*(["default"] * users), *contexts]
    assert found["apps"] == sorted([*contexts, "messaging", *(["ops"] * is_whole)])
    assert set(CONTEXTS).intersection(found["imported"]) == set(contexts)
    assert ("admin/" in found["pages"]) == users
    assert ("api/v1/orders" in found["pages"]) == (users and "orders" in contexts)
    assert ("webhooks/stripe" in found["pages"]) == ("payments" in contexts)
    assert {"health/live", "health/ready", "metrics"} <= set(found["pages"])


def test_a_name_that_is_no_context_is_told_with_those_that_are() -> None:
    status, told = manage(environment("inventory") | {"SAGA_CONTEXTS": "inventroy"}, "check")

    assert status == 1
    assert told.startswith(
        "SAGA_CONTEXTS names inventroy; the contexts are orders, inventory, pricing,"
    )


def test_a_named_context_without_its_database_is_an_error_that_names_the_setting() -> None:
    environ = environment("inventory") | {
        "SAGA_CONTEXTS": "inventory, pricing",
        "DATABASE_URL_PRICING": "",  # nor from the local stack's file
    }

    assert manage(environ, "check") == (
        1,
        "SystemCheckError: System check identified some issues:\n\n"
        "ERRORS:\n"
        "?: (sagaplatform.E001) The database of pricing has no address.\n"
        "\tHINT: Set DATABASE_URL_PRICING. SAGA_CONTEXTS says which contexts run here.\n\n"
        "System check identified 1 issue (0 silenced).\n",
    )


def test_the_owner_is_told_the_owners_setting() -> None:
    environ = environment("inventory", DATABASE_ROLE="owner", DATABASE_OWNER_URL_INVENTORY="")

    status, told = manage(environ, "migrate_all")

    assert status == 1
    assert "Set DATABASE_OWNER_URL_INVENTORY." in told


def test_before_the_whole_platform_is_deployed_every_missing_database_is_told() -> None:
    nobodys = {f"DATABASE_URL_{each.upper()}": "" for each in ALIASES}
    environ = environment("inventory", **nobodys) | {"SAGA_CONTEXTS": ""}

    assert manage(environ, "check")[0] == 0  # a process is given only what it uses
    status, told = manage(environ, "check", "--deploy")

    assert status == 1
    assert told.count("sagaplatform.E002") == len(ALIASES)


READY = """
from django.test import Client
print(Client(headers={"host": "localhost"}).get("/health/ready").content.decode())
"""


@pytest.mark.parametrize("contexts", [CONTEXTS, ("inventory",)], ids=["whole", "inventory"])
def test_nobody_is_ready_whose_databases_are_not_configured(contexts: tuple[str, ...]) -> None:
    nobodys = {f"DATABASE_URL_{each.upper()}": "" for each in ALIASES}
    named = {"SAGA_CONTEXTS": "" if contexts == CONTEXTS else ",".join(contexts)}
    words = ("shell", "-v", "0", "-c", READY)

    status, told = manage(environment("inventory", **nobodys) | named, *words)

    assert status == 0, told
    [answer] = [line for line in told.splitlines() if line.startswith('{"ready"')]
    found = json.loads(answer)
    needed = ("default", *CONTEXTS) if contexts == CONTEXTS else contexts
    assert found == {
        "ready": False,
        "checks": {
            each: f"is not configured: set DATABASE_URL_{each.upper()}." for each in needed
        } | {"kafka": "ok"},
    }  # fmt: skip


NOT_HERE = "No context 'orders' is installed here (SAGA_CONTEXTS); there are: pricing\n"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("run_consumer orders", NOT_HERE),
        ("run_watchdog orders", NOT_HERE),
        ("dead_letters groups orders", NOT_HERE),
        ("run_watchdog", "No context that is installed here has something to watch over.\n"),
        ("run_watchdog pricing", "There is nothing to watch over in pricing.\n"),
        ("run_worker", "No context that is installed here calls outside: there is no work.\n"),
        ("run_beat", "No context that is installed here calls outside: there is no work.\n"),
        ("sagas list", "`sagas` is a command of apps.sagas, which is not installed here: "
         "SAGA_CONTEXTS is pricing. Run it where the contexts that it needs are.\n"),
        ("check_conservation", "`check_conservation` is a command of apps.ops, which is not"),
        ("demo", "`demo` is a command of sagaplatform.shop, which is not installed here"),
        ("write_reference", "The reference is of the whole platform: leave SAGA_CONTEXTS empty."),
        ("unlock ada --reason test", "needs DATABASE_URL_DEFAULT"),
        ("no_such_command", "Unknown command: 'no_such_command'"),
    ],
)  # fmt: skip
def test_a_command_for_what_is_not_there_says_so(command: str, says: str) -> None:
    status, told = manage(environment("pricing"), *command.split())

    assert status in (1, 2)
    assert says in told
    assert "Traceback" not in told


def test_what_is_in_default_fails_loudly() -> None:
    use = "from sagaplatform.models import StaffAction; print(StaffAction.objects.count())"

    status, told = manage(environment("inventory"), "shell", "-v", "0", "-c", use)

    assert status == 1
    assert "settings.DATABASES is improperly configured" in told


@pytest.mark.parametrize(
    ("use", "error"),
    [
        ("from apps.orders.models import Order", "RuntimeError: Model class apps.orders.models"),
        ("from apps.messaging.database import Database; Database('orders').fetch('SELECT 1')",
         "The connection 'orders' doesn't exist."),
    ],
)  # fmt: skip
def test_another_contexts_rows_cannot_be_asked_for(use: str, error: str) -> None:
    status, told = manage(environment("inventory"), "shell", "-v", "0", "-c", use)

    assert status == 1
    assert error in told
