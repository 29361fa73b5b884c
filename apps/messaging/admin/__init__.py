"""What every context's admin is made of.

A context registers its own tables in its own admin.py:

    admin.site.register(DeadLetter, DeadLetterAdmin)
"""

from apps.messaging.admin.dead_letters import DeadLetterAdmin
from apps.messaging.admin.finding import customer_named, uuid_of
from apps.messaging.admin.read_only import ReadOnly, ReadOnlyAdmin
from apps.messaging.admin.tables import (
    BarrierNoteAdmin,
    IntentAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
)

__all__ = [
    "BarrierNoteAdmin",
    "DeadLetterAdmin",
    "IntentAdmin",
    "OperatorActionAdmin",
    "OutboxMessageAdmin",
    "ReadOnly",
    "ReadOnlyAdmin",
    "customer_named",
    "uuid_of",
]
