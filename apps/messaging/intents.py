"""Intents: the rows that stand for outside calls to be made."""


def work(context: str) -> int:
    """Claim and carry out what is due in one context until nothing is; how many outside calls were
    settled."""
    raise NotImplementedError(context)
