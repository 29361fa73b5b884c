"""Stripe as the gateway. How, and why nothing is done twice, is said in the modules it calls."""

from apps.messaging.handling import Call
from apps.payments import stripe_authorizing, stripe_taking
from apps.payments.gateways import GatewayAnswer


class StripeGateway:
    """Takes cards by Stripe's PaymentIntents."""

    def authorize(self, call: Call) -> GatewayAnswer:
        return stripe_authorizing.authorize(call)

    def capture(self, call: Call) -> GatewayAnswer:
        return stripe_taking.capture(call)

    def give_back(self, call: Call) -> GatewayAnswer:
        captured = call.details.captured
        return stripe_taking.refund(call) if captured else stripe_taking.let_go(call)
