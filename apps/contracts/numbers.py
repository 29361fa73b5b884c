"""Numbers for people, worked out from ids: whoever knows an order's id can say its number."""

from uuid import UUID

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: nothing to misread aloud


def number_of(order_id: UUID) -> str:
    """An order's number for people, `SP-3K7M-92QX-4T8B`: it needs no counter and tells no sales.

    The last 60 bits of the UUIDv7, which are chance: of a hundred million orders two share a
    number with a probability of 0.4 %. The second would be refused, and placed when sent again.
    """
    bits = order_id.int
    text = "".join(CROCKFORD[bits >> shift & 31] for shift in range(55, -1, -5))
    return f"SP-{text[:4]}-{text[4:8]}-{text[8:]}"
