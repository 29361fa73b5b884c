"""The door for a scanner at the desk where returned goods arrive. Staff only, with a token."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.http import HttpRequest
from msgspec import Meta
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.contracts.reading import convert
from apps.contracts.values import AcceptedLine
from apps.inventory.api.errors import (
    ReceiptInvalid,
    ReceiptRefused,
    ReceiptUnfit,
    ReturnNotExpected,
)
from apps.inventory.errors import ArrivalBusy, ArrivalClosed, ArrivalMoved, NotWhatWasAnnounced
from apps.inventory.receiving import record_arrival
from apps.inventory.selectors import arrival_of_return
from apps.messaging.audit import Actor
from apps.messaging.errors import sentence_of

Pieces = Annotated[int, Meta(ge=0, le=10_000)]
# One line with a letter in it. (PostgreSQL takes no NUL.)
Reason = Annotated[str, Meta(max_length=200, pattern=r"^(?=.*[^\W\d_])[^\x00-\x1f\x7f]+\Z")]


class ReceiptLine(AcceptedLine, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line with the limits of the API."""

    quantity: Pieces
    damaged: Pieces = 0


class ReceiptBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/returns/{id}/receipts`. No line: nothing can be accepted."""

    lines: Annotated[tuple[ReceiptLine, ...], Meta(max_length=500)]
    reason: Reason = "Scanned at the desk"


class MayReceive(BasePermission):
    """The right that the admin's desk asks for."""

    def has_permission(self, request: HttpRequest, view: Any) -> bool:
        user: Any = request.user
        return bool(user.is_staff and user.has_perm("inventory.receive_arrival"))


class ReceiptsView(APIView):
    """`POST`: say what of a return has arrived. It is said once, for it is paid back at once."""

    permission_classes = (MayReceive,)

    def post(self, request: Request, return_id: UUID) -> Response:
        body = read_receipt(request.data)
        arrival = arrival_of_return(return_id)
        if arrival is None:
            raise ReturnNotExpected
        user: Any = request.user
        try:
            status = record_arrival(
                arrival_id=arrival.id,
                accepted=body.lines,
                version=arrival.version,
                actor=Actor(user.pk, user.get_username()),
                reason=body.reason,
            )
        except NotWhatWasAnnounced as error:
            raise ReceiptUnfit(sentence_of(error)) from error
        except ArrivalClosed as error:
            raise ReceiptRefused("return_closed", sentence_of(error)) from error
        except (ArrivalBusy, ArrivalMoved) as error:
            raise ReceiptRefused("return_busy", sentence_of(error)) from error
        return Response({"return": str(return_id), "status": status}, status=202)


def read_receipt(data: Any) -> ReceiptBody:
    """What a scanner sends. Raises ReceiptInvalid with what is wrong and where."""
    try:
        return convert(data, ReceiptBody)
    except msgspec.ValidationError as error:
        raise ReceiptInvalid(str(error)) from error
