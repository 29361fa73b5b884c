"""Orders stay in the outbox: nobody else takes part in these tests."""

import pytest


@pytest.fixture(autouse=True)
def outbox_keeps_its_messages(quiet: None) -> None:
    """Nobody else takes part in these tests."""
