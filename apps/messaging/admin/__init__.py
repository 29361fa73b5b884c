"""What every context's admin is made of.

A context registers its own tables in its own admin.py:

    admin.site.register(DeadLetter, DeadLetterAdmin)
"""

from apps.messaging.admin.dead_letters import DeadLetterAdmin
from apps.messaging.admin.finding import customer_named, rows_named, uuid_of
from apps.messaging.admin.read_only import KeyedByTwo, ReadOnly, ReadOnlyAdmin
from apps.messaging.admin.tables import (
    BarrierNoteAdmin,
    IntentAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    SagaLogAdmin,
)

__all__ = [
    "BarrierNoteAdmin",
    "DeadLetterAdmin",
    "IntentAdmin",
    "KeyedByTwo",
    "OperatorActionAdmin",
    "OutboxMessageAdmin",
    "ReadOnly",
    "ReadOnlyAdmin",
    "SagaLogAdmin",
    "customer_named",
    "rows_named",
    "uuid_of",
]
