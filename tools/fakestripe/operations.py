"""The operations of the API: where they are, what they take, and who carries them out."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import stripe.params as shapes

from .bank import Bank
from .clock import Clock
from .disputes import Disputes
from .errors import StripeError, no_such
from .events import Events
from .faults import Operation
from .intents import Intents
from .listing import Listing
from .refunds import Refunds
from .store import Json, Store
from .timers import Timers

NO_PARAMETERS = frozenset[str]()
PAGE = frozenset({"limit", "starting_after", "ending_before", "created"})
CREATE = frozenset(
    {
        "allowed_payment_method_types",
        "amount",
        "automatic_payment_methods",
        "capture_method",
        "confirm",
        "confirmation_method",
        "currency",
        "description",
        "error_on_requires_action",
        "metadata",
        "off_session",
        "payment_method",
        "receipt_email",
        "return_url",
        "statement_descriptor_suffix",
    }
)
CONFIRM = frozenset({"error_on_requires_action", "off_session", "payment_method", "return_url"})
REFUND = frozenset({"amount", "charge", "metadata", "payment_intent", "reason"})


@dataclass(frozen=True)
class Route:
    """One operation. `carry_out` gets the id in the path, empty where there is none."""

    method: str
    path: re.Pattern[str]
    operation: Operation
    shape: Any
    acts_on: frozenset[str]
    kind: str  # of the answer; `[]` is a list
    carry_out: Callable[[str, Json], Json]


class Operations:
    """Everything that the API can do."""

    def __init__(self, store: Store, clock: Clock, events: Events) -> None:
        self.store = store
        self.timers = Timers(store, clock)
        self.bank = Bank(store, clock, events, self.timers)
        self.intents = Intents(store, clock, events, self.bank)
        self.refunds = Refunds(store, clock, events, self.timers)
        self.disputes = Disputes(store, clock, events)
        self.routes = self._routes(Listing(store))

    def find(self, method: str, path: str) -> tuple[Route, str]:
        """The operation at a path, and the id in it. Raises StripeError where there is none."""
        for route in self.routes:
            match = route.path.fullmatch(path)
            if match and route.method == method:
                return route, match.groupdict().get("id") or ""
        raise StripeError(f"Unrecognized request URL ({method}: {path}).", status=404, early=True)

    def _routes(self, listing: Listing) -> list[Route]:
        intents, refunds = self.intents, self.refunds
        payment = "/v1/payment_intents"
        one = f"{payment}/ID"
        return [
            route("POST", payment, Operation.AUTHORIZE, shapes.PaymentIntentCreateParams, CREATE,
                  "payment_intent", lambda _, params: intents.create(params)),
            route("POST", f"{one}/confirm", Operation.AUTHORIZE, shapes.PaymentIntentConfirmParams,
                  CONFIRM, "payment_intent", intents.confirm),
            route("POST", f"{one}/capture", Operation.CAPTURE, shapes.PaymentIntentCaptureParams,
                  frozenset({"amount_to_capture", "metadata"}), "payment_intent", intents.capture),
            route("POST", f"{one}/cancel", Operation.CANCEL, shapes.PaymentIntentCancelParams,
                  frozenset({"cancellation_reason"}), "payment_intent", intents.cancel),
            route("GET", f"{payment}/search", Operation.SEARCH, shapes.PaymentIntentSearchParams,
                  frozenset({"query", "limit", "page"}), "payment_intent[]",
                  lambda _, params: intents.search(params)),
            route("POST", one, Operation.UPDATE, shapes.PaymentIntentUpdateParams,
                  frozenset({"description", "metadata", "receipt_email"}), "payment_intent",
                  intents.update),
            route("GET", one, Operation.RETRIEVE, shapes.PaymentIntentRetrieveParams,
                  NO_PARAMETERS, "payment_intent", self._retrieve("payment_intent", "intent")),
            route("GET", payment, Operation.LIST, shapes.PaymentIntentListParams, PAGE,
                  "payment_intent[]", lambda _, params: listing.intents(params)),
            route("POST", "/v1/refunds", Operation.REFUND, shapes.RefundCreateParams, REFUND,
                  "refund", lambda _, params: refunds.create(params)),
            route("GET", "/v1/refunds/ID", Operation.RETRIEVE, shapes.RefundRetrieveParams,
                  NO_PARAMETERS, "refund", self._retrieve("refund", "refund")),
            route("GET", "/v1/refunds", Operation.LIST, shapes.RefundListParams,
                  PAGE | {"payment_intent", "charge"}, "refund[]",
                  lambda _, params: listing.refunds(params)),
            route("GET", "/v1/disputes/ID", Operation.RETRIEVE, shapes.DisputeRetrieveParams,
                  NO_PARAMETERS, "dispute", self._retrieve("dispute", "dispute")),
            route("GET", "/v1/charges/ID", Operation.RETRIEVE, shapes.ChargeRetrieveParams,
                  NO_PARAMETERS, "charge", self._retrieve("charge", "charge")),
            route("GET", "/v1/charges", Operation.LIST, shapes.ChargeListParams,
                  PAGE | {"payment_intent"}, "charge[]", lambda _, params: listing.charges(params)),
            route("GET", "/v1/payment_methods/ID", Operation.RETRIEVE,
                  shapes.PaymentMethodRetrieveParams, NO_PARAMETERS, "payment_method",
                  self._retrieve("payment_method", "payment_method")),
            route("GET", "/v1/events/ID", Operation.RETRIEVE, shapes.EventRetrieveParams,
                  NO_PARAMETERS, "event", self._retrieve("event", "id")),
            route("GET", "/v1/events", Operation.LIST, shapes.EventListParams,
                  PAGE | {"type", "types"}, "event[]", lambda _, params: listing.events(params)),
        ]  # fmt: skip

    def _retrieve(self, kind: str, param: str) -> Callable[[str, Json], Json]:
        def retrieve(identifier: str, params: Json) -> Json:
            found = self.store.find(kind, identifier)
            if found is None:
                raise no_such(kind, identifier, param)
            return found.body

        return retrieve


def route(
    method: str,
    path: str,
    operation: Operation,
    shape: Any,
    acts_on: frozenset[str],
    kind: str,
    carry_out: Callable[[str, Json], Json],
) -> Route:
    """A route of a readable path, in which ID stands for an id."""
    pattern = re.compile(path.replace("ID", r"(?P<id>[\w-]+)"))
    return Route(method, pattern, operation, shape, acts_on, kind, carry_out)
