"""What goes wrong on demand."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta


class Fault(enum.StrEnum):
    """What happens to a mail, or to a push."""

    REFUSE = "refuse"  # the recipient: 550 5.1.1
    GREYLIST = "greylist"  # the recipient, for now: 451 4.7.1
    DROP_BEFORE_DATA = "drop_before_data"  # the connection, before the text of the mail
    REFUSE_TEXT = "refuse_text"  # the mail, once it is read: 554 5.7.1
    DROP_AFTER_DATA = "drop_after_data"  # the mail is kept, the answer is lost
    SLOW = "slow"  # the mail is kept, the answer comes after so many seconds
    PUSH_REFUSE = "push_refuse"  # 410
    PUSH_LATER = "push_later"  # 503
    PUSH_FAIL = "push_fail"  # the push is kept, and answered with 500
    PUSH_DROP = "push_drop"  # the push is kept, the answer is lost


class FaultRule(msgspec.Struct, forbid_unknown_fields=True):
    """A fault that happens so many times, to mails for one recipient or for anybody."""

    kind: Fault
    times: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    recipient: str = ""  # empty: anybody
    seconds: Annotated[float, Meta(ge=0, le=600)] = 5.0  # of a slow answer


class Faults:
    """What is switched on. The first that fits happens, and is used up by one."""

    def __init__(self) -> None:
        self.rules: list[FaultRule] = []

    def take(self, *kinds: Fault, recipient: str = "") -> FaultRule | None:
        """The fault of one of these kinds that happens now."""
        for rule in self.rules:
            if rule.kind in kinds and rule.recipient in ("", recipient):
                rule.times -= 1
                if not rule.times:
                    self.rules.remove(rule)
                return rule
        return None
