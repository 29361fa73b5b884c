"""Small pieces of Markdown."""

from collections.abc import Iterable, Sequence

MADE = "<!-- Made by `make docs` from {source}; change it there. -->"


def page(title: str, source: str, *parts: str) -> str:
    """A page with its title, a note on where it comes from, and parts with a blank line between."""
    heading = f"# {title}\n\n{MADE.format(source=source)}"
    return "\n\n".join([heading, *(each.strip() for each in parts if each.strip())]) + "\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under headers, without columns that say nothing; empty where there are no rows."""
    columns = list(zip(headers, zip(*rows, strict=True), strict=False))
    said = [(header, cells) for header, cells in columns if any(cells)]
    if not said:
        return ""
    lines = [[header for header, _ in said], ["---"] * len(said)]
    lines += map(list, zip(*(cells for _, cells in said), strict=True))
    return "\n".join(map(_line, lines))


def code(text: str) -> str:
    """A name or value as it is typed."""
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str]) -> str:
    """Several of them."""
    return ", ".join(map(code, texts))


def sentence(docstring: str | None) -> str:
    """A docstring on one line."""
    return " ".join((docstring or "").split())


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |"
