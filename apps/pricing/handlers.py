"""What pricing decides."""

from apps.contracts.pricing import (
    FreezePrice,
    PriceFreezeFailed,
    PriceFrozen,
    PriceUnfrozen,
    PriceWithdrawn,
    UnfreezePrice,
    WithdrawPrice,
)
from apps.messaging.handling import Handler
from apps.pricing.workspaces import PriceList


def freeze_price(command: FreezePrice, prices: PriceList) -> PriceFrozen | PriceFreezeFailed:
    """Promise the prices that the customer saw, if all are on offer; else say which are not."""
    if changed := prices.changes(command.currency, command.lines):
        return PriceFreezeFailed(changed=changed)
    total = prices.freeze(command.order_id, command.currency, command.lines)
    return PriceFrozen(total_cents=total)


def unfreeze_price(command: UnfreezePrice, prices: PriceList) -> PriceUnfrozen:
    """Take the promise back; says how much it was."""
    return PriceUnfrozen(total_cents=prices.unfreeze(prices.request.saga_id))


def withdraw_price(command: WithdrawPrice, prices: PriceList) -> PriceWithdrawn:
    """Take back what was promised to an order that is cancelled after its end."""
    return PriceWithdrawn(total_cents=prices.unfreeze(command.placed_by))


COMMANDS = {
    FreezePrice: Handler(freeze_price, PriceList),
    UnfreezePrice: Handler(unfreeze_price, PriceList),
    WithdrawPrice: Handler(withdraw_price, PriceList),
}
