"""`expand[]`: an object in place of its id."""

import copy

from . import objects
from .errors import StripeError, refused
from .store import Json, Store

DEEPEST = 4
# What can be expanded into what, by the object that it stands in; `[]` is a list of them.
EXPANDABLE = {
    "payment_intent": {"latest_charge": "charge", "payment_method": "payment_method"},
    "charge": {"payment_intent": "payment_intent", "refunds": "refund[]"},
    "refund": {"charge": "charge", "payment_intent": "payment_intent"},
}
# What Stripe can expand too, and is always null here.
NULL = {
    "payment_intent": {"customer", "review", "on_behalf_of", "application"},
    "charge": {"balance_transaction", "customer", "failure_balance_transaction", "review"},
    "refund": {"balance_transaction"},
}


def check(paths: list[str], kind: str) -> None:
    """Refuse a path that leads nowhere from such an object, before anything is done."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEEPEST or not leads_somewhere(steps, kind):
            raise not_expandable(path)


def leads_somewhere(steps: list[str], kind: str) -> bool:
    at = kind
    for place, step in enumerate(steps):
        if at.endswith("[]") and step == "data":
            at = at.removesuffix("[]")
        elif step in NULL.get(at, ()):
            return place == len(steps) - 1
        elif step in EXPANDABLE.get(at, {}):
            at = EXPANDABLE[at][step]
        else:
            return False
    return True


def expand(store: Store, body: Json, paths: list[str]) -> Json:
    """A copy of the answer with objects where their ids were."""
    expanded = copy.deepcopy(body)
    for path in paths:
        follow(store, expanded, path.split("."))
    return expanded


def follow(store: Store, within: Json, steps: list[str]) -> None:
    name, *rest = steps
    replace(store, within, name)
    inner = within[name]
    for each in inner if isinstance(inner, list) else [inner]:
        if rest and each is not None:
            follow(store, each, rest)


def replace(store: Store, within: Json, name: str) -> None:
    """Put an object where its id is, or the refunds where Stripe shows none by itself."""
    kind = EXPANDABLE.get(within["object"], {}).get(name)
    if kind == "refund[]":
        within[name] = refunds_of(store, within["id"])
    elif kind is not None and isinstance(within[name], str):
        within[name] = copy.deepcopy(store.get(kind, within[name]).body)


def refunds_of(store: Store, charge: str) -> Json:
    found = store.select("refund", "json_extract(body, '$.charge') = ?", charge)
    url = f"/v1/charges/{charge}/refunds"
    return objects.page(url, [record.body for record in found], has_more=False)


def not_expandable(path: str) -> StripeError:
    return refused(f"This property cannot be expanded ({path}).", param="expand")
