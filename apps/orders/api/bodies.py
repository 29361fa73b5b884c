"""What a client sends: as types, read fast; where that fails, every fault with its place."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from apps.contracts.reading import convert
from apps.contracts.values import Address, CardId, Line, PaymentMethod, PricedLine, RefundTo
from apps.orders.api.card_numbers import holds_card_number
from apps.orders.api.errors import CardMissing, InvalidRequest

Body = TypeVar("Body")

# Printable: no control characters (PostgreSQL takes no NUL), at least one that is no space.
PRINTABLE = r"^(?=.*\S)[^\x00-\x1f\x7f]+\Z"
CHARACTERS = "printable characters, not all blank"
ProductId = Annotated[
    str,
    Meta(max_length=64, pattern=PRINTABLE, description=f"a product id of 1 to 64 {CHARACTERS}"),
]
Quantity = Annotated[
    int, Meta(ge=1, le=10_000, description="a whole number of pieces from 1 to 10000")
]
Cents = Annotated[
    int, Meta(ge=1, le=10_000_000, description="a whole number of cents from 1 to 10000000")
]
Text = Annotated[
    str, Meta(max_length=200, pattern=PRINTABLE, description=f"a text of 1 to 200 {CHARACTERS}")
]
PostalCode = Annotated[
    str, Meta(max_length=20, pattern=PRINTABLE, description=f"a text of 1 to 20 {CHARACTERS}")
]
Country = Annotated[
    str,
    Meta(pattern=r"^[A-Z]{2}\Z", description="a country code of two capital letters, such as GB"),
]
# ISO 4217's currencies without cents, or with a thousand of them to the unit; and MGA, of which
# card networks know no part. A bank would take an amount of ours for another one.
WITHOUT_CENTS = (
    "BHD BIF CLF CLP DJF GNF IQD ISK JOD JPY KMF KRW KWD LYD MGA OMR PYG RWF TND UGX UYI UYW VND"
    " VUV XAF XOF XPF"
)
Currency = Annotated[
    str,
    Meta(
        pattern=rf"^(?!{WITHOUT_CENTS.replace(' ', '|')})[A-Z]{{3}}\Z",
        description="a currency code of three capital letters: GBP. Amounts are in cents, so it is"
        " one that has a hundred of them",
    ),
]


class LineBody(PricedLine, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line with the limits of the API."""

    product_id: ProductId
    quantity: Quantity
    unit_price_cents: Cents


class AddressBody(Address, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address with the limits of the API."""

    name: Text
    street: Text
    postal_code: PostalCode
    city: Text
    country: Country


class OrderBody(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The body of `POST /api/v1/orders`.

    Defaults are left out where it is written, so that a request which is repeated after a field was
    added is still the same request (views.hash_of).
    """

    currency: Currency
    lines: Annotated[
        tuple[LineBody, ...],
        Meta(min_length=1, max_length=500, description="a list of 1 to 500 lines"),
    ]
    payment_method: Annotated[PaymentMethod, Meta(description="credit or card")]
    card: CardId = ""  # for payment_method card
    gift_wrap: Annotated[bool, Meta(description="true or false")] = False
    address: AddressBody


class CancellationBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/orders/{id}/cancellations`."""

    reason: Text = ""


class ReturnLineBody(Line, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line with the limits of the API."""

    product_id: ProductId
    quantity: Quantity


class ReturnBody(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The body of `POST /api/v1/orders/{id}/returns`."""

    lines: Annotated[
        tuple[ReturnLineBody, ...],
        Meta(min_length=1, max_length=500, description="a list of 1 to 500 lines"),
    ]
    reason: Text = ""
    refund_to: Annotated[RefundTo, Meta(description="original or credit")] = RefundTo.ORIGINAL


def read_return(data: Any) -> ReturnBody:
    """The goods that a client announces. Raises InvalidRequest naming everything that is wrong."""
    try:
        body = convert(data, ReturnBody)
    except msgspec.ValidationError:
        raise InvalidRequest(errors=list(faults(data, ReturnBody))) from None
    if wrong := [*_products_twice(body.lines), *_card_numbers(body, "#")]:
        raise InvalidRequest(errors=wrong)
    return body


def read_cancellation(data: Any) -> CancellationBody:
    """What a client says of its wish. Raises InvalidRequest naming everything that is wrong."""
    try:
        body = convert(data, CancellationBody)
    except msgspec.ValidationError:
        raise InvalidRequest(errors=list(faults(data, CancellationBody))) from None
    if typed := list(_card_numbers(body, "#")):
        raise InvalidRequest(errors=typed)
    return body


def read_order(data: Any) -> OrderBody:
    """The order that a client asks for. Raises InvalidRequest naming everything that is wrong, and
    CardMissing."""
    try:
        body = convert(data, OrderBody)
    except msgspec.ValidationError:
        raise InvalidRequest(errors=list(faults(data, OrderBody))) from None
    if wrong := [*_products_twice(body.lines), *_card_numbers(body.address, "#/address")]:
        raise InvalidRequest(errors=wrong)
    if body.card and body.payment_method is not PaymentMethod.CARD:
        raise InvalidRequest(errors=[_fault("#/card", "Is for the payment_method card only.")])
    if body.payment_method is PaymentMethod.CARD and not body.card:
        raise CardMissing
    return body


def faults(value: Any, wanted: Any, at: str = "#") -> Iterator[dict[str, str]]:
    """Every place where a value is not what its type wants, as JSON pointer and advice."""
    kind, meta = _taken_apart(wanted)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _faults_of_object(value, kind, at)
    elif get_origin(kind) is tuple:
        yield from _faults_of_list(value, get_args(kind)[0], meta, at)
    elif not _fits(value, wanted):
        yield _fault(at, f"Must be {meta.description}.")


def _faults_of_object(value: Any, kind: type[msgspec.Struct], at: str) -> Iterator[dict[str, str]]:
    if not isinstance(value, dict):
        yield _fault(at, "Must be an object.")
        return
    fields = {each.name: each for each in msgspec.structs.fields(kind)}
    for name in sorted(value.keys() - fields.keys()):
        yield _fault(f"{at}/{_escaped(name)}", f"Unknown field; known are {', '.join(fields)}.")
    for name, field in fields.items():
        if name in value:
            yield from faults(value[name], field.type, f"{at}/{name}")
        elif field.required:
            yield _fault(f"{at}/{name}", "Is missing.")


def _faults_of_list(value: Any, item: Any, meta: Meta, at: str) -> Iterator[dict[str, str]]:
    if not _fits(value, Annotated[list[Any], meta]):
        yield _fault(at, f"Must be {meta.description}.")
        return
    for index, each in enumerate(value):
        yield from faults(each, item, f"{at}/{index}")


def _products_twice(lines: Iterable[Line]) -> Iterator[dict[str, str]]:
    seen: Counter[str] = Counter()
    for index, line in enumerate(lines):
        seen[line.product_id] += 1
        if seen[line.product_id] > 1:
            advice = "Is in an earlier line already; add the quantities up in one line."
            yield _fault(f"#/lines/{index}/product_id", advice)


def _card_numbers(typed: msgspec.Struct, at: str) -> Iterator[dict[str, str]]:
    """Texts with what may be a card's number; the answer does not repeat it."""
    for name, text in msgspec.structs.asdict(typed).items():
        if isinstance(text, str) and holds_card_number(text):
            yield _fault(f"{at}/{name}", "Must not hold a card's number.")


def _taken_apart(wanted: Any) -> tuple[Any, Meta]:
    if get_origin(wanted) is Annotated:
        kind, meta = get_args(wanted)
        return kind, meta
    return wanted, Meta()


def _fits(value: Any, wanted: Any) -> bool:
    try:
        convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return True


def _fault(at: str, detail: str) -> dict[str, str]:
    return {"pointer": at, "detail": detail}


def _escaped(name: str) -> str:
    """A member's name in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
