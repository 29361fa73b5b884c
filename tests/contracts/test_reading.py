"""What is read from JSON is read by one way, which threads may go at once."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from apps.contracts.reading import convert, read, reader_of
from tests.running import ROOT


class Cup(msgspec.Struct):
    """A value for tests."""

    colour: str


def test_a_document_is_read_as_its_type() -> None:
    assert read(b'{"colour": "red"}', Cup) == Cup("red")
    assert convert({"colour": "red"}, Cup) == Cup("red")
    assert read("[1, 2]", tuple[int, ...]) == (1, 2)
    assert reader_of(Cup) is reader_of(Cup)


def test_what_is_not_of_the_type_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="colour"):
        read(b"{}", Cup)
    with pytest.raises(msgspec.ValidationError, match="colour"):
        convert({}, Cup)


def test_threads_may_read_a_type_for_the_first_time_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.reading_at_once"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_nobody_reads_structs_past_it() -> None:
    here = ROOT / "apps" / "contracts" / "reading.py"
    files = [each for part in ("apps", "sagaplatform") for each in (ROOT / part).rglob("*.py")]
    assert [str(each) for each in files if each != here and list(past_it(each))] == []


def past_it(file: Path) -> Iterator[str]:
    """The calls that make a reader of a struct themselves; a dict has no fields to find out."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            said = ast.unparse(node)
            types = [ast.unparse(each.value) for each in node.keywords if each.arg == "type"]
            if said.startswith("msgspec.json.Decoder("):
                types = [ast.unparse(node.args[0])]
            if said.startswith("msgspec.convert("):
                yield said
            if said.startswith("msgspec.json.") and any(not t.startswith("dict[") for t in types):
                yield said
