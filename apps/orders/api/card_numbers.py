"""What may be a card's number in a text that people type: it must never be kept."""

import re

# 13 to 19 digits of a card's first digit, blanks or dashes between them or not.
CANDIDATE = re.compile(r"(?<![0-9])[3-6](?:[ -]?[0-9]){12,18}(?![0-9])")


def holds_card_number(text: str) -> bool:
    """Whether it has digits that a card could have, by their number and their check digit."""
    found = CANDIDATE.findall(text)
    return any(_passes_luhn([int(each) for each in number if each.isdigit()]) for number in found)


def _passes_luhn(digits: list[int]) -> bool:
    """The check digit of ISO/IEC 7812: every second digit from the right counts twice."""
    doubled = (2 * each for each in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(each // 10 + each % 10 for each in doubled)) % 10 == 0
