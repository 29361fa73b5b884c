"""How an order is placed since fraud is checked for: as before, with one step more.

The step is no customer's wish. It stands in the plan of each new order while the flag
`check_fraud` is on.
"""

from apps.contracts import fraud
from apps.processes.definition import Kind, Patience, Step
from apps.processes.place_order import PLACE_ORDER

# fmt: off
PLACE_ORDER_2 = PLACE_ORDER.next_version(
    behind="freeze_price",
    step=Step("check_fraud", Kind.COMPENSATABLE, fraud.CheckFraud, wish="check_fraud",
              success=fraud.FraudCleared, refusal=fraud.FraudSuspected,
              compensation=fraud.LiftFraudCheck,
              outside=True, patience=Patience(timeout=30)),
)
