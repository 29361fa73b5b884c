"""What can be wrong with the shop's input: a whole file, or single rows of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

EXAMPLES = 3


class UnusableFile(Exception):
    """A file that cannot be read at all; the message says what to do."""


class UnusableRow(Exception):
    """A row that cannot be used; the message is the reason under which it is counted."""


@dataclass
class Rejected:
    """The rows that were left out: how many for each reason, and where the first ones are."""

    counts: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)

    def add(self, reason: str, line: int) -> None:
        self.counts[reason] += 1
        examples = self.lines.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(line)

    def sentences(self) -> Iterator[str]:
        """`3 rows left out: quantity is not 1 or more (lines 4, 9, 12)`."""
        for reason, count in self.counts.most_common():
            where = ", ".join(map(str, self.lines[reason]))
            more = ", …" if count > len(self.lines[reason]) else ""
            yield f"{count} left out: {reason} (line {where}{more})"
