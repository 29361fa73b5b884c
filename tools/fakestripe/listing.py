"""Lists, a page at a time: the newest first, behind or before a given object."""

from typing import Any

from . import objects
from .errors import no_such
from .search import require_limit
from .store import Json, Store

RANGES = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Listing:
    """The list operations of the API."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def intents(self, params: Json) -> Json:
        return self._page("payment_intent", "/v1/payment_intents", params)

    def charges(self, params: Json) -> Json:
        return self._page("charge", "/v1/charges", params, "payment_intent")

    def refunds(self, params: Json) -> Json:
        return self._page("refund", "/v1/refunds", params, "payment_intent", "charge")

    def events(self, params: Json) -> Json:
        types = [*params.get("types", []), *([params["type"]] if "type" in params else [])]
        matches, values = [], []
        for each in types:
            star = each.endswith("*")
            matches.append(f"json_extract(body, '$.type') {'GLOB' if star else '='} ?")
            values.append(each)
        condition = f"({' OR '.join(matches)})" if matches else "true"
        return self._page("event", "/v1/events", params, condition=condition, values=values)

    def _page(
        self,
        kind: str,
        url: str,
        params: Json,
        *filters: str,
        condition: str = "true",
        values: list[Any] | None = None,
    ) -> Json:
        """A page of a kind's objects: those whose filters are given and match, and so on."""
        conditions, given = [condition], list(values or [])
        for name in filters:
            if name in params:
                conditions.append(f"json_extract(body, '$.{name}') = ?")
                given.append(params[name])
        for operator, bound in created(params):
            conditions.append(f"json_extract(body, '$.created') {operator} ?")
            given.append(bound)
        backwards = "ending_before" in params
        for name, operator in (("starting_after", "<"), ("ending_before", ">")):
            if name in params:
                conditions.append(f"number {operator} ?")
                given.append(self._number(kind, params[name], name))
        limit = require_limit(params)
        found = self.store.select(
            kind, " AND ".join(conditions), *given,
            order="ASC" if backwards else "DESC", limit=limit + 1,
        )  # fmt: skip
        data = [record.body for record in found[:limit]]
        return objects.page(url, data[::-1] if backwards else data, has_more=len(found) > limit)

    def _number(self, kind: str, identifier: str, param: str) -> int:
        found = self.store.find(kind, identifier)
        if found is None:
            raise no_such(kind, identifier, param, status=400)
        return found.number


def created(params: Json) -> list[tuple[str, int]]:
    """The bounds on the time of creation, as operators and seconds."""
    given = params.get("created")
    if given is None:
        return []
    if isinstance(given, int):
        return [("=", given)]
    return [(RANGES[name], bound) for name, bound in given.items()]
