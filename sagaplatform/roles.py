"""Who may do what: the roles of the staff, as data.

A role is a group of that name. Its rights are those written here, no more and no less: whoever
migrates the database `default` brings the groups to this state. Other groups are left alone.
"""

import logging
from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.db.models.signals import post_migrate

from sagaplatform.env import CONTEXTS

SUPPORT, OPERATIONS, APPROVER, AUDITOR = "support", "operations", "approver", "auditor"

# The tables of each context that are read to find out what happened. Not among them: what people
# did by hand, and what they ask others to allow.
TABLES = {
    "orders": ("order", "orderline", "orderevent", "modeshare", "return"),
    "inventory": ("stock", "reservationlisting", "stockmovement", "arrival", "intent"),
    "pricing": ("listprice", "promotion", "pricefreeze"),
    "payments": (
        "payment",
        "cardattempt",
        "account",
        "intent",
        "ledgerentry",
        "stripeevent",
        "finding",
        "reconciliation",
        "refund",
    ),
    "shipping": ("shipment", "giftwrap", "tracking", "intent"),
    "notifications": ("customermessage", "dispatch", "contact", "intent"),
    "fraud": ("assessment", "review", "intent"),
    "sagas": ("saga", "case"),
}
OF_EVERY_CONTEXT = ("outboxmessage", "deadletter", "barriernote", "sagaloglisting")


def rights(app: str, actions: str, *models: str) -> frozenset[str]:
    """A right for each action on each model: rights("sagas", "note assign", "case")."""
    return frozenset(f"{app}.{action}_{model}" for action in actions.split() for model in models)


def in_every_context(actions: str, *models: str) -> frozenset[str]:
    """The same rights in all contexts."""
    return frozenset[str]().union(*(rights(each, actions, *models) for each in CONTEXTS))


READ = in_every_context("view", *OF_EVERY_CONTEXT).union(
    rights("ops", "view", "conservationcheck"),
    *(rights(app, "view", *models) for app, models in TABLES.items()),
)
HELP = (
    rights("sagas", "note assign", "case")
    | rights("orders", "reveal", "order")
    | rights("notifications", "resend reveal", "dispatch")
)
MOVE = (
    rights("sagas", "close", "case")
    | rights("sagas", "retry compensate skip pause resolve substitute record reveal", "saga")
    | rights("sagas", "view", "approval")
    | rights("fraud", "decide", "review")
    | rights("inventory", "receive", "arrival")
    | in_every_context("replay edit discard reveal", "deadletter")
)
SWITCH = (
    rights("waffle", "view change", "switch")
    | rights("orders", "set", "mode")
    | rights("django_celery_beat", "view change", "periodictask")
    | rights("django_celery_beat", "view", "intervalschedule")
)
DECIDE = rights("sagas", "view decide", "approval")
AUDIT = (
    in_every_context("view", "operatoraction")
    | rights("sagas", "view", "approval")
    | rights("auth", "view", "user", "group")
    | rights("waffle", "view", "switch")
    | rights("django_celery_beat", "view", "periodictask", "intervalschedule")
    | rights("sagaplatform", "view", "staffaction")
)

ROLES: dict[str, frozenset[str]] = {
    SUPPORT: READ | HELP,
    OPERATIONS: READ | HELP | MOVE | SWITCH,
    APPROVER: READ | DECIDE,
    AUDITOR: READ | AUDIT,  # changes nothing, reveals nothing
}

log = logging.getLogger(__name__)


def keep_roles_after_migrations() -> None:
    """Connect `keep_roles` to the end of a migration of `default`.

    Django makes the permissions of each app when that app's signal comes, whatever database its
    tables are in: of all apps they are there with the last one's.
    """
    last = [each for each in installed.get_app_configs() if each.models_module][-1]
    post_migrate.connect(_migrated, sender=last, dispatch_uid="sagaplatform.roles")


def _migrated(sender: AppConfig, using: str, apps: Any = installed, **facts: object) -> None:
    """Receives post_migrate. `apps` are the models as migrated, which may be none yet."""
    try:
        groups, permissions = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        return
    if using == "default":
        keep_roles(groups, permissions)


def keep_roles(groups: Any, permissions: Any) -> None:
    """Bring the groups of the roles to what this module says. Repeated, it changes nothing."""
    ids = {
        f"{app}.{codename}": id
        for id, app, codename in permissions.objects.values_list(
            "id", "content_type__app_label", "codename"
        )
    }
    for role, wanted in ROLES.items():
        group, _ = groups.objects.get_or_create(name=role)
        group.permissions.set([ids[each] for each in sorted(wanted) if each in ids])
    if missing := [each for each in missing_rights(ids) if _is_here(each)]:
        log.warning("rights of roles do not exist yet: %s", ", ".join(missing))


def _is_here(right: str) -> bool:
    """Whether the app of a right is installed; another deployment may have it."""
    return right.partition(".")[0] in {each.label for each in installed.get_app_configs()}


def missing_rights(existing: Iterable[str]) -> list[str]:
    """The rights that the table names and no installed model declares."""
    return sorted(frozenset[str]().union(*ROLES.values()).difference(existing))
