"""How a confirmed order is cancelled: taken back whole, or not at all once the parcel has left."""

from apps.contracts import inventory, notifications, orders, payments, pricing, shipping
from apps.processes.definition import Kind, Patience, Process, Step

COMPENSATABLE, PIVOT, RETRIABLE = Kind
OUTSIDE = Patience(timeout=90, attempts=5)  # may ask a bank or a carrier

# fmt: off
CANCEL_ORDER = Process(
    name="cancel_order",
    version=1,
    deadline=3600,
    steps=(
        Step("begin_cancellation", COMPENSATABLE,
             success=orders.CancellationBegun,
             compensation=orders.RefuseCancellation, told_undone="that the order stays"),
        Step("recall_shipment", PIVOT, shipping.RecallShipment,
             success=shipping.ShipmentRecalled, refusal=shipping.ShipmentNotRecalled,
             outside=True, patience=OUTSIDE),
        Step("return_payment", RETRIABLE, payments.ReturnPayment,
             success=payments.PaymentReturned, outside=True, patience=OUTSIDE,
             told="that {money} is given back"),
        Step("unpack_gift", RETRIABLE, shipping.UnpackGift, wish="gift_wrap",
             success=shipping.GiftUnpacked),
        Step("withdraw_price", RETRIABLE, pricing.WithdrawPrice,
             success=pricing.PriceWithdrawn),
        Step("free_stock", RETRIABLE, inventory.FreeStock,
             success=inventory.StockFreed),
        Step("cancel_confirmed_order", RETRIABLE, orders.CancelConfirmedOrder,
             success=orders.ConfirmedOrderCancelled, told="that the order is cancelled"),
        Step("send_cancellation", RETRIABLE, notifications.SendCancellation,
             success=notifications.CancellationSent, outside=True),
    ),
)
