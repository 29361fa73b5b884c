"""What becomes of one request: checked, carried out once per idempotency key, and answered.

Nothing here waits or knows of HTTP; one thread runs it, so that requests never meet half-way.
"""

from dataclasses import dataclass

from . import expanding, params
from .calls import Call
from .clock import Clock
from .errors import Answer, StripeError, server_error
from .events import Events
from .faults import Faults
from .idempotency import Keys
from .journal import Journal
from .operations import Operations
from .store import Json, Store


@dataclass
class Result:
    """An answer; `original` is the request that got it first, where it is repeated."""

    answer: Answer
    original: str | None = None


class Gateway:
    """The whole of the stand-in but its doors."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock(store)
        self.faults = Faults(store)
        self.events = Events(store, self.clock, self.faults)
        self.operations = Operations(store, self.clock, self.events)
        self.keys = Keys(store, self.clock)
        self.journal = Journal(store, self.clock)
        self.address = ""
        self.epoch = 0

    def listens_at(self, address: str) -> None:
        """Say where this server is, for the links in its answers."""
        self.address = address
        self.operations.bank.address = address

    def forget(self) -> None:
        """Be as new, but for where webhooks go."""
        self.store.empty()
        self.epoch += 1

    def log_url(self, request_id: str) -> str:
        return f"{self.address}/#{request_id}"

    def execute(self, call: Call, *, fails_after: bool = False) -> Result:
        """Carry a call out, or repeat the answer that its key has had.

        With `fails_after` it has its effect and is answered 500. Effect and answer are kept in one
        transaction. Raises StripeError for what is refused before it is carried out.
        """
        if call.epoch != self.epoch:
            raise server_error()
        self.operations.timers.fire()
        if call.asked and (kept := self.keys.kept(call.asked)):
            if fails_after:
                raise server_error()
            return Result(kept.answer, kept.request)
        given = self._validate(call)
        with (
            self.store.transaction(),
            self.events.caused_by(call.request_id, call.key),
        ):
            answer = self._answer(call, given)
            if fails_after:
                answer = server_error().answer(self.log_url(call.request_id))
            if call.asked:
                self.keys.keep(call.asked, call.request_id, answer)
        return Result(answer)

    def _validate(self, call: Call) -> Json:
        given = params.validate(call.route.shape, call.given, call.route.acts_on)
        expanding.check(given.get("expand", []), call.route.kind)
        return given

    def _answer(self, call: Call, given: Json) -> Answer:
        """What the operation says. What a decline has changed is kept, as its answer is."""
        expansions = given.pop("expand", [])
        try:
            body = call.route.carry_out(call.subject, given)
        except StripeError as error:
            if error.early:
                raise
            return error.answer(self.log_url(call.request_id))
        return Answer(200, expanding.expand(self.store, body, expansions))
