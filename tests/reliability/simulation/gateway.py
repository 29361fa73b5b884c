"""The payment gateway of a run: it keeps the promises of a real one, and its ledger, in memory."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from apps.messaging.handling import Call, StillWaiting
from apps.payments.gateways import GatewayAnswer
from apps.payments.handlers import REFUND
from tests.reliability.simulation.chance import Chance
from tests.reliability.simulation.clock import Clock
from tests.reliability.simulation.trace import Trace
from tests.standin import Silence

# What is owed for an order that was cancelled after its end ("return"), or for goods that came back
# ("refund"), is given back at last.
REFUSALS = {"authorize": "declined", "capture": "declined", "give_back": "refused undo"}


class SimulatedGateway:
    """Remembers keys: the same key has the same answer and one effect. `meanwhile` is what happens
    while a call takes longer than its lease."""

    def __init__(
        self, chance: Chance, clock: Clock, trace: Trace, meanwhile: Callable[[], None]
    ) -> None:
        self.chance, self.clock, self.trace = chance, clock, trace
        self.meanwhile = meanwhile
        self.answers: dict[str, bool] = {}  # by key
        self.effects: Counter[tuple[str, str]] = Counter()  # by subject and operation
        self.by_hand: set[str] = set()  # subjects given back by a person
        self.taken: dict[str, int] = {}  # cents, by subject
        self.refunded: Counter[str] = Counter()  # cents, by subject: for goods that came back
        self._silent_until = 0  # by the clock

    def authorize(self, call: Call) -> GatewayAnswer:
        return self._answer(call)

    def capture(self, call: Call) -> GatewayAnswer:
        return self._answer(call)

    def give_back(self, call: Call) -> GatewayAnswer:
        return self._answer(call)

    def _answer(self, call: Call) -> GatewayAnswer:
        fault = self.chance.fault
        if fault("silence", call.operation) or self.is_silent:
            raise Silence("nothing reached it")
        if fault("waits", call.operation):
            until = self.clock.now + timedelta(seconds=self.chance.between(5, 200))
            raise StillWaiting("The bank asks its customer", until)
        if fault("slow there", call.operation):
            self.meanwhile()
        ok = self._effect(call)
        if fault("slow back", call.operation):
            self.meanwhile()
        if fault("lost answer", call.operation):
            raise Silence("it took effect")
        return GatewayAnswer(ok=ok, reference=f"g-{call.subject}", code="" if ok else "no")

    def be_silent(self, seconds: float) -> None:
        """Nothing reaches it for a while."""
        self._silent_until = self.clock.micros + int(seconds * 1_000_000)
        self.trace.tell(f"the gateway does not answer for {seconds:.0f} seconds")

    @property
    def is_silent(self) -> bool:
        return not self.chance.healed and self.clock.micros < self._silent_until

    def _effect(self, call: Call) -> bool:
        if call.key not in self.answers:
            ok = self.answers[call.key] = self._may(call)
            if ok and not (call.operation == "give_back" and call.subject in self.by_hand):
                self._take_effect(call)
            said = "yes" if ok else "no"
            self.trace.tell(f"    gateway: {said} to {self._name(call)}")
        return self.answers[call.key]

    def _take_effect(self, call: Call) -> None:
        """Of a payment each is there once; parts of it may be refunded, one for each return."""
        subject = call.subject
        if call.operation == "capture":
            self.taken[subject] = call.details.amount_cents
        if call.operation == REFUND:
            self.refunded[subject] += call.details.refund_cents
            subject = str(call.request.saga_id)
        self.effects[subject, call.operation] += 1

    def _may(self, call: Call) -> bool:
        refusal = REFUSALS.get(call.operation)
        if call.unwanted or (refusal and self.chance.fault(refusal, call.operation)):
            return False
        held = self.effects[call.subject, "authorize"] and not self.is_given_back(call.subject)
        return call.operation != "capture" or bool(held)

    def is_given_back(self, subject: str) -> bool:
        return subject in self.by_hand or self.effects[subject, "give_back"] > 0

    def is_returned(self, subject: str) -> bool:
        """Whether it was given back after it was captured."""
        return self.effects[subject, "return"] > 0

    def give_back_by_hand(self, subject: str) -> None:
        """A person does it on the gateway's own pages."""
        if not self.is_given_back(subject):
            self.by_hand.add(subject)

    def _name(self, call: Call) -> str:
        return f"{call.operation} of {self.trace.saga(call.subject)}, try {call.attempt}"
