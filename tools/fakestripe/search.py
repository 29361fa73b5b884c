"""Stripe's query language: `status:'succeeded' AND metadata['order_id']:'42' AND created>17`.

Clauses are joined by AND or by OR, not by both; `-` in front turns one round.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from . import objects
from .clock import Clock
from .errors import StripeError, refused
from .store import Json, Store

CLAUSE = re.compile(
    r"""\s*(?P<minus>-?)
    (?P<field>\w+)(?:\[(?P<quote>['"])(?P<key>[^'"]+)(?P=quote)\])?
    \s*(?P<operator>>=|<=|:|~|>|<)\s*
    (?:(?P<null>null)\b|(?P<number>-?\d+)|(?P<mark>['"])(?P<text>(?:\\.|(?!(?P=mark)).)*)(?P=mark))
    """,
    re.VERBOSE,
)
JOINT = re.compile(r"\s+(AND|OR)\s+")
SIMPLE_NAME = re.compile(r"\w+", re.ASCII)
NUMBERS = ("amount", "created")
WORDS = ("currency", "status")


@dataclass(frozen=True)
class Condition:
    """A piece of SQL and the values in it."""

    sql: str
    values: tuple[Any, ...]


class Search:
    """Finds objects by a query, the newest first."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def run(self, kind: str, url: str, params: Json) -> Json:
        """A page of what the query finds. As with Stripe, what is new may not be found yet."""
        query = parse(params["query"])
        limit = require_limit(params)
        lag = self.store.setting("search_lag_seconds", 0)
        found = self.store.select(
            kind,
            f"({query.sql}) AND number < ? AND json_extract(body, '$.created') <= ?",
            *query.values,
            after(params.get("page")),
            self.clock.now() - lag,
            limit=limit + 1,
        )
        more = found[limit - 1].number if len(found) > limit else None
        data = [record.body for record in found[:limit]]
        return objects.search_result(url, data, None if more is None else as_page(more))


def require_limit(params: Json) -> int:
    limit: int = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise refused("This value must be between 1 and 100.", "parameter_invalid_integer", "limit")
    return limit


# --- pages


def as_page(number: int) -> str:
    return base64.urlsafe_b64encode(str(number).encode()).decode()


def after(page: str | None) -> int:
    """The number that a page's objects are older than."""
    if page is None:
        return 2**62
    try:
        return int(base64.urlsafe_b64decode(page))
    except (ValueError, binascii.Error):
        raise refused(f"Invalid page: {page}", param="page") from None


# --- queries


def parse(query: str) -> Condition:
    """The query as SQL. Raises StripeError where it is none."""
    conditions, joints, place = [], set(), 0
    while True:
        match = CLAUSE.match(query, place)
        if match is None:
            raise not_understood(query)
        conditions.append(clause(match, query))
        joint = JOINT.match(query, match.end())
        if joint is None:
            break
        joints.add(joint[1])
        place = joint.end()
    if query[match.end() :].strip() or len(joints) > 1:
        raise not_understood(query)
    word = joints.pop() if joints else "AND"
    values = tuple(value for condition in conditions for value in condition.values)
    return Condition(f" {word} ".join(condition.sql for condition in conditions), values)


def clause(match: re.Match[str], query: str) -> Condition:
    expression, path = column(match, query)
    comparison = compare(match, query)
    sign = "NOT " if match["minus"] else ""
    return Condition(f"{sign}({expression} {comparison.sql})", (*path, *comparison.values))


def column(match: re.Match[str], query: str) -> tuple[str, tuple[str, ...]]:
    """Where the field is; `metadata['order_id']` as its index has it."""
    field, key = match["field"], match["key"]
    if field == "metadata" and key is not None:
        if SIMPLE_NAME.fullmatch(key):
            return f"json_extract(body, '$.metadata.{key}')", ()
        return "json_extract(body, ?)", (f'$.metadata."{key}"',)
    if key is None and field in {*NUMBERS, *WORDS}:
        return f"json_extract(body, '$.{field}')", ()
    raise StripeError(
        f"Field `{field}` is an unsupported search field for resource `payment_intents`.",
        param="query",
        early=True,
    )


def compare(match: re.Match[str], query: str) -> Condition:
    operator, is_number = match["operator"], match["field"] in NUMBERS
    if match["null"]:
        if operator == ":" and match["field"] == "metadata":
            return Condition("IS NULL", ())
    elif is_number and match["number"] and operator != "~":
        return Condition(f"{'=' if operator == ':' else operator} ?", (int(match["number"]),))
    elif not is_number and match["text"] is not None and operator in {":", "~"}:
        text = re.sub(r"\\(.)", r"\1", match["text"])
        if operator == ":":
            return Condition("IS ? COLLATE NOCASE", (text,))
        escaped = re.sub(r"([\\%_])", r"\\\1", text)
        return Condition("LIKE ? ESCAPE '\\'", (f"%{escaped}%",))
    raise not_understood(query)


def not_understood(query: str) -> StripeError:
    return refused(
        "We were unable to parse your search query. Try using the format "
        f'`metadata["key"]:"value"`, and AND or OR between clauses: {query}',
        param="query",
    )
