"""How goods come back after the hand-over: announced, awaited for days, received, paid back.

Before the goods are here nothing is given back, and once they are there is no way back: that is the
pivot. It waits for a person or a scanner for as long as inventory says, whose refusal ends it; the
deadline is there for a saga of which nobody hears again.
"""

from apps.contracts import inventory, notifications, orders, payments
from apps.processes.definition import Kind, Patience, Process, Step

COMPENSATABLE, PIVOT, RETRIABLE = Kind
DAY = 24 * 3600.0
HOUR = 3600.0
OUTSIDE = Patience(timeout=90, attempts=5)  # may ask a bank
ARRIVAL = Patience(timeout=600, attempts=12, longest=HOUR)  # what lives for weeks can wait for one

# fmt: off
RETURN_ORDER = Process(
    name="return_order",
    version=1,
    deadline=60 * DAY,
    steps=(
        Step("begin_return", COMPENSATABLE,
             success=orders.ReturnBegun,
             compensation=orders.RefuseReturn, told_undone="that the return is refused"),
        Step("receive_goods", PIVOT, inventory.ReceiveGoods,
             success=inventory.GoodsReceived, refusal=inventory.GoodsNotReceived,
             gives=("accepted",), outside=True, patience=ARRIVAL),
        Step("refund_return", RETRIABLE, payments.RefundReturn,
             success=payments.ReturnRefunded, gives=("refunded_cents",),
             outside=True, patience=OUTSIDE, told="that {money} is given back"),
        Step("restock", RETRIABLE, inventory.Restock,
             success=inventory.GoodsRestocked),
        Step("close_return", RETRIABLE, orders.CloseReturn,
             success=orders.ReturnClosed, told="that the return is complete"),
        Step("send_return_notice", RETRIABLE, notifications.SendReturnNotice,
             success=notifications.ReturnNoticeSent, outside=True),
    ),
)
