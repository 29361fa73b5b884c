"""What a developer's machine adds to the environment of contexts that run alone there."""

import os
from pathlib import Path

import pytest

from sagaplatform import env

FILE = """
SECRET_KEY=kept
DATABASE_URL_DEFAULT=postgresql://default
DATABASE_URL_INVENTORY=postgresql://inventory
DATABASE_URL_PRICING=postgresql://pricing
"""


def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, contexts: str) -> dict[str, str]:
    """The environment after loading the file into one that has only SAGA_CONTEXTS."""
    (tmp_path / "app.env").write_text(FILE)
    monkeypatch.setattr(env, "LOCAL_ENVIRONMENT", tmp_path / "app.env")
    environ = {"SAGA_CONTEXTS": contexts}
    monkeypatch.setattr(os, "environ", environ)
    env.load_local_environment()
    return environ


def test_contexts_that_are_named_get_their_own_addresses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert loaded(monkeypatch, tmp_path, "inventory, sagas") == {
        "SAGA_CONTEXTS": "inventory, sagas",
        "SECRET_KEY": "kept",
        "DATABASE_URL_INVENTORY": "postgresql://inventory",
    }


def test_the_whole_gets_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = loaded(monkeypatch, tmp_path, "")

    assert found["DATABASE_URL_DEFAULT"] == "postgresql://default"
    assert found["DATABASE_URL_PRICING"] == "postgresql://pricing"


@pytest.mark.parametrize(
    ("named", "contexts"),
    [
        ([], env.CONTEXTS),
        ([" "], env.CONTEXTS),
        (["pricing", " inventory "], ("inventory", "pricing")),  # in the platform's order
    ],
)
def test_which_contexts_are_chosen(named: list[str], contexts: tuple[str, ...]) -> None:
    assert env.chosen(named) == contexts


def test_a_process_is_no_context() -> None:
    with pytest.raises(env.EnvError, match="SAGA_CONTEXTS names default, web; the contexts are"):
        env.chosen(["inventory", "web", "default"])
