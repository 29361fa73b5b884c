"""The admin of sagas, put together: a list to find one, its page, the desk, approvals."""

from django.contrib import admin

from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    SagaLogAdmin,
)
from apps.sagas.admin.approvals import ApprovalAdmin
from apps.sagas.admin.desk import CaseAdmin
from apps.sagas.admin.listing import SagaListing
from apps.sagas.admin.operating import SagaOperating
from apps.sagas.admin.page import SagaPage
from apps.sagas.models import (
    Approval,
    BarrierNote,
    Case,
    DeadLetter,
    OperatorAction,
    OutboxMessage,
    Saga,
    SagaLogListing,
)


@admin.register(Saga)
class SagaAdmin(SagaOperating, SagaPage, SagaListing):
    """Find a saga, see where it is and what was said, and act."""


admin.site.register(Case, CaseAdmin)
admin.site.register(Approval, ApprovalAdmin)
admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
