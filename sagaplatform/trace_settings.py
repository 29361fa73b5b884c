"""Whether the settings of traces can work; see tracing.py, which uses them."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from environs import EnvValidationError

PAIR = r" *[!#$%&'*+.^_`|~0-9A-Za-z-]+=[ -+\--~]+"  # a header's name, and a value without a comma
PAIRS = re.compile(rf"{PAIR}(,{PAIR})*")


def check(given: Mapping[str, Any]) -> None:
    """Raises EnvValidationError naming the setting that cannot work; its value is not repeated, for
    it may be a secret."""
    for name, (can_work, advice) in RULES.items():
        if given[name] != "" and not can_work(given[name]):
            problem = f"{name} cannot work: give {advice}"
            raise EnvValidationError(problem, [problem])


def is_web_address(text: str) -> bool:
    """Whether it is one of http or https, with a host and no blanks."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable()
    except ValueError:
        return False


def is_template(text: str) -> bool:
    """Whether a trace's address can be made of it."""
    return is_web_address(text) and "{trace_id}" in text


RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "OTLP_ENDPOINT": (is_web_address, "the receiver's address, as http://collector:4318"),
    "OTLP_HEADERS": (lambda text: bool(PAIRS.fullmatch(text)), "name=value,name=value"),
    "TRACE_SHARE": (lambda share: 0 <= share <= 1, "a number from 0 (none) to 1 (all)"),
    "TRACE_URL": (is_template, "an address of http or https with {trace_id} in it"),
}
