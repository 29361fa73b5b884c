"""What a person has in hand, and the rows that it names.

A list searches its `search_fields`. A name with `=` before it is compared in full, by its index,
and only with a term that can be its value; `=saga_id` also finds the sagas that somebody else knows
by the term, and `=customer_id` the customer of that user name. Other fields may hold the term
anywhere.
"""

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

import structlog
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.models import Field, Model, Q

log = structlog.get_logger()

# Who knows sagas by other names adds itself when the apps are ready: find(term) gives saga ids.
# apps.ops does so for the numbers and ids of orders, which only orders' database knows.
FINDERS: list[Callable[[str], Collection[UUID]]] = []
LONGEST_NUMBER = 18  # digits that fit a bigint
NUMBERS = ("BigIntegerField", "BigAutoField", "IntegerField")
NOTHING = Q(pk__in=[])


def rows_named(model: type[Model], names: Collection[str], term: str) -> Q:
    """The rows of a model that a term names by one of these fields."""
    found = NOTHING
    for name in names:
        found |= _in_full(model, name[1:], term) if name[0] == "=" else _in_part(name, term)
    return found


def sagas_named(term: str) -> set[UUID]:
    """The saga of that id, and those that somebody else knows by this name. A database that does
    not answer finds nothing."""
    id = uuid_of(term)
    found = {id} if id else set()
    for find in FINDERS:
        try:
            found.update(find(term))
        except DatabaseError as error:
            log.warning("search_without", finder=find.__name__, error_type=type(error).__name__)
    return found


def customer_named(term: str) -> int | None:
    """The number of a customer, by itself or by the user name.

    Users are rows of `default`, which no list can be joined with: lists look their names up here,
    and nowhere else.
    """
    if term.isdecimal():
        return int(term) if len(term) <= LONGEST_NUMBER else None
    if " " in term or uuid_of(term):
        return None
    users = get_user_model()._default_manager.filter(username=term)
    return users.values_list("pk", flat=True).first()


def uuid_of(term: str) -> UUID | None:
    """A term that is an id."""
    try:
        return UUID(term)
    except ValueError:
        return None


def _in_part(name: str, term: str) -> Q:
    return Q((f"{name}__icontains", term))


def _in_full(model: type[Model], path: str, term: str) -> Q:
    if path == "saga_id":
        return Q(saga_id__in=sagas_named(term))
    if path.endswith("customer_id"):
        customer = customer_named(term)
        return NOTHING if customer is None else Q((path, customer))
    field = _field(model, path)
    if field.get_internal_type() in NUMBERS and not _is_number(term):
        return NOTHING
    try:
        return Q((path, field.to_python(term)))
    except ValidationError:
        return NOTHING


def _is_number(term: str) -> bool:
    return term.isdecimal() and len(term) <= LONGEST_NUMBER


def _field(model: type[Model], path: str) -> "Field[Any, Any]":
    field: Any = None
    for part in path.split("__"):
        field = model._meta.get_field(part)
        model = field.related_model or model
    return field
