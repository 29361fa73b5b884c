"""Fingerprints: alike for what failed alike."""

import pytest

from apps.messaging.dead_letters import describe
from apps.messaging.fingerprint import fingerprint_of, without_particulars


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("no account 01a2155b-359a-74ed-a487-4b394460a729", "no account <id>"),
        ("key 9f86d081884c7d65 is gone", "key <id> is gone"),
        ("payment of 1,234.56 exceeds 12", "payment of <n> exceeds <n>"),
        ("it's 'Ada' who can't", "it's <value> who can't"),
        ('Invalid value "x" at `$.lines[3].quantity`', "Invalid value <value> at <value>"),
        ("step_2  of\n3", "step_<n> of <n>"),
        ("defaced deadbeef", "defaced deadbeef"),
        ("", ""),
    ],
)
def test_ids_numbers_and_quoted_values_are_left_out(error: str, kind: str) -> None:
    assert without_particulars(error) == kind


FACTS = {"error_type": "KeyError", "error": "'a1'", "type": "ReserveStock", "step": "reserve"}


def test_failures_of_one_kind_have_one_fingerprint() -> None:
    assert fingerprint_of(**FACTS) == fingerprint_of(**{**FACTS, "error": "'b2'"})
    assert len(fingerprint_of(**FACTS)) == 16


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_tells_kinds_apart(fact: str) -> None:
    assert fingerprint_of(**FACTS) != fingerprint_of(**{**FACTS, fact: "other"})


def test_an_error_is_told_in_one_line() -> None:
    error = ConnectionError("No answer.\n\n(Network error:\tclosed)" + "x" * 600)
    assert describe(error).startswith("No answer. (Network error: closed)xxx")
    assert len(describe(error)) == 500
