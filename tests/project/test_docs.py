"""What the documents name is there: files, headings, tests, commands, targets of make."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sagaplatform.env import SETTINGS
from sagaplatform.reference.commands_page import our_commands

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
DJANGOS = {
    "changepassword", "check", "collectstatic", "createsuperuser", "makemigrations", "migrate",
    "shell",
}  # fmt: skip


def pages() -> list[Path]:
    """Every document that is part of the project, wherever it lies."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
    ).stdout.split()  # fmt: skip
    found = [ROOT / each for each in listed] or [*ROOT.glob("*.md"), *DOCS.glob("**/*.md")]
    return sorted(each for each in found if each.exists())


PAGES = pages()
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def prose(path: Path) -> str:
    """A page without what stands between fences."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(text: str) -> Iterator[tuple[str, str]]:
    """File and anchor of each link that stays in the project."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            yield file, anchor


@cache
def anchors(path: Path) -> frozenset[str]:
    """What the headings of a page can be linked by, as GitHub makes it."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(path), re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def test_anchors_are_made_as_github_makes_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b`: c, d!\n\n```\n# no heading\n```\n## Two words\n### Two words\n")
    assert anchors(page) == {"a-b-c-d", "two-words", "two-words-1"}


@each_page
def test_every_link_leads_to_a_file_and_a_heading_in_it(path: Path) -> None:
    wrong = []
    for file, anchor in links(prose(path)):
        target = (path.parent / file).resolve() if file else path
        if not target.exists():
            wrong.append(f"{file}: no such file")
        elif anchor and anchor not in anchors(target):
            wrong.append(f"{file}#{anchor}: no such heading")
    assert wrong == []


def test_the_index_leads_to_every_page() -> None:
    index = {(DOCS / file).resolve() for file, _ in links((DOCS / "README.md").read_text()) if file}
    single = {DOCS / "README.md", *(DOCS / "decisions").glob("[0-9]*.md")}
    assert sorted(set(DOCS.glob("**/*.md")) - single - index) == []


@cache
def known_tests() -> frozenset[str]:
    files = (ROOT / "tests").glob("**/test_*.py")
    return frozenset(
        name for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text())
    )


@each_page
def test_every_test_that_is_named_is_there(path: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", prose(path)))
    assert named <= known_tests(), named - known_tests()


@each_page
def test_every_target_of_make_is_there(path: Path) -> None:
    fenced = " ".join(re.findall(r"^```\w*\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL))
    told = set(re.findall(r"`make(?: -s)? ([a-z-]+)", prose(path)))
    told |= set(re.findall(r"^make ([a-z-]+)", fenced, re.MULTILINE))
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert told <= there, told - there


@each_page
def test_every_management_command_is_there(path: Path) -> None:
    told = set(re.findall(r"manage\.py ([a-z_]+)", path.read_text()))
    assert told <= DJANGOS | set(our_commands()), told - DJANGOS - set(our_commands())


def test_every_setting_that_a_guide_names_is_there() -> None:
    known = {each.name for each in SETTINGS}
    text = " ".join(map(prose, (DOCS / "guides").glob("*.md")))
    told = set(re.findall(r"\b([A-Z]+(?:_[A-Z]+)+)\b", text))
    assert told
    assert told <= known, told - known


def test_make_help_lists_every_target_but_the_steps_of_others() -> None:
    makefile = (ROOT / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    listed = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert listed == set(phony.split()) - {"install-tests"}


def test_the_layers_that_are_told_are_those_that_are_checked() -> None:
    rules = (ROOT / ".importlinter").read_text()
    [checked] = re.findall(r"arrows-point-down\].*?\nlayers =\n(.*?)\n\n", rules, re.DOTALL)
    [told] = re.findall(
        r"^```\n(sagaplatform .*?)^```", (DOCS / "architecture.md").read_text(), re.M | re.S
    )
    layers = [re.split(r" {2,}", line)[0] for line in told.splitlines()]
    assert layers == [line.strip() for line in checked.splitlines()]


def test_the_hooks_run_what_make_test_runs() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    makefile = (ROOT / "Makefile").read_text()
    [test] = re.findall(r"^test:.*?\n\n", makefile, re.MULTILINE | re.DOTALL)
    for tool in ("ruff check", "ruff format", "mypy apps sagaplatform", "lint-imports"):
        assert f".venv/bin/{tool}" in hooks
        assert f"$(VENV)/{tool}" in test
    assert "manage.py makemigrations --check --dry-run" in hooks
    assert "manage.py makemigrations --check --dry-run" in makefile
