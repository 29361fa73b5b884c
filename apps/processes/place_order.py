"""How an order is placed: every order ends confirmed, or fully undone."""

from apps.contracts import inventory, notifications, orders, payments, pricing, shipping
from apps.processes.definition import Kind, Patience, Process, Step

COMPENSATABLE, PIVOT, RETRIABLE = Kind
OUTSIDE = Patience(timeout=90, attempts=5)  # may ask a bank or a carrier

# fmt: off
PLACE_ORDER = Process(
    name="place_order",
    version=1,
    personal=("address", "card"),
    deadline=3600,
    steps=(
        Step("create_order", COMPENSATABLE,
             success=orders.OrderCreated,
             compensation=orders.CancelOrder, told_undone="that the order is cancelled"),
        Step("reserve_stock", COMPENSATABLE, inventory.ReserveStock,
             success=inventory.StockReserved, refusal=inventory.StockReservationFailed,
             compensation=inventory.ReleaseStock),
        Step("freeze_price", COMPENSATABLE, pricing.FreezePrice,
             success=pricing.PriceFrozen, refusal=pricing.PriceFreezeFailed,
             compensation=pricing.UnfreezePrice, gives=("total_cents",)),
        Step("authorize_payment", COMPENSATABLE, payments.AuthorizePayment,
             success=payments.PaymentAuthorized, refusal=payments.PaymentDeclined,
             compensation=payments.RefundPayment, substitutes=(payments.CreditInstead,),
             outside=True, patience=OUTSIDE),
        Step("wrap_gift", COMPENSATABLE, shipping.WrapGift, wish="gift_wrap",
             success=shipping.GiftWrapped, refusal=shipping.GiftWrapUnavailable,
             compensation=shipping.UnwrapGift, skippable=True),
        Step("create_shipment", COMPENSATABLE, shipping.CreateShipment,
             success=shipping.ShipmentCreated, refusal=shipping.ShipmentRefused,
             compensation=shipping.CancelShipment, outside=True, patience=OUTSIDE),
        Step("capture_payment", PIVOT, payments.CapturePayment,
             success=payments.PaymentCaptured, refusal=payments.CaptureFailed,
             outside=True, patience=OUTSIDE, told="that {money} is paid"),
        Step("confirm_order", RETRIABLE, orders.ConfirmOrder,
             success=orders.OrderConfirmed, told="that the order is confirmed"),
        Step("send_confirmation", RETRIABLE, notifications.SendConfirmation,
             success=notifications.ConfirmationSent, outside=True),
    ),
)
