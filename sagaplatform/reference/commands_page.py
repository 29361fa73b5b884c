"""Every target of make and every management command of ours, from what each says of itself."""

import re
from argparse import Action, ArgumentParser, _HelpAction, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

from django.core.management import get_commands, load_command_class

from sagaplatform.reference.markdown import code, codes, page, table

ROOT = Path(__file__).parent.parent.parent
OURS = ("apps.", "sagaplatform")
OF_DJANGO = {
    "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color",
    "skip_checks",
}  # fmt: skip
MAKE = "## make\n\nFrom a clone, with nothing installed but Python 3.11 and make."
MANAGE = """
## manage.py

`.venv/bin/python manage.py COMMAND`. While `make up` runs, commands find its servers by
`.local/app.env`; elsewhere give them the [settings](settings.md). Every command has `--help`, and
Django's own are there too (`createsuperuser`, `changepassword`, `shell`, `check --deploy`).

What is **signed** acts for a person: it shows first what it would do and asks, and it takes

| argument | meaning |
| --- | --- |
| `--reason REASON` | why; kept in the audit, and never left out |
| `--as USER` | who acts; else the terminal's user |
| `--yes` | do not ask |
"""
SIGNATURE = {"--reason", "--as", "--yes"}


def commands_page() -> str:
    """The page docs/reference/commands.md."""
    source = "the Makefile and the commands' help"
    return page("Commands", source, MAKE, make_targets(), MANAGE, *map(_command, our_commands()))


def make_targets() -> str:
    """What `make help` lists."""
    found = re.findall(r"^([a-z-]+):.*?## (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return table(("target", "does"), ((code(f"make {name}"), says) for name, says in found))


def our_commands() -> list[str]:
    """The names of the management commands that this project brings."""
    return sorted(name for name, app in get_commands().items() if str(app).startswith(OURS))


def _command(name: str) -> str:
    command = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)
    return "\n\n".join([f"### {name}", str(command.help), *_parts(parser, name)])


def _parts(parser: ArgumentParser, name: str) -> Iterator[str]:
    """The arguments of a command, then each of its subcommands with its own."""
    if rows := [_row(each) for each in _arguments(parser)]:
        yield table(("argument", "meaning"), rows)
    for group in parser._actions:
        if isinstance(group, _SubParsersAction):
            for word, inner in group.choices.items():
                yield f"**`{name} {word}`**: {_as_sentence(group, word)}{_whether_signed(inner)}"
                yield from _parts(inner, f"{name} {word}")


def _arguments(parser: ArgumentParser) -> list[Action]:
    left_out = (_HelpAction, _SubParsersAction)
    leave = SIGNATURE if _is_signed(parser) else set()
    return [
        each
        for each in parser._actions
        if not isinstance(each, left_out)
        and each.dest not in OF_DJANGO
        and not leave.intersection(each.option_strings)
    ]


def _is_signed(parser: ArgumentParser) -> bool:
    return parser._option_string_actions.keys() >= SIGNATURE


def _whether_signed(parser: ArgumentParser) -> str:
    return " Signed." if _is_signed(parser) else ""


def _as_sentence(group: "_SubParsersAction[ArgumentParser]", word: str) -> str:
    [says] = [each.help for each in group._choices_actions if each.dest == word]
    return f"{says}."


def _row(argument: Action) -> tuple[str, str]:
    names = argument.option_strings or [_placeholder(argument)]
    takes = f" {_placeholder(argument)}" if argument.option_strings and argument.nargs != 0 else ""
    return code(", ".join(names) + takes), _meaning(argument)


def _placeholder(argument: Action) -> str:
    shown = argument.metavar if isinstance(argument.metavar, str) else None
    if argument.option_strings:
        return shown or ("…" if argument.choices else argument.dest.upper())
    return shown or argument.dest


def _meaning(argument: Action) -> str:
    meaning = argument.help or ""
    parts = [meaning]
    if argument.choices:
        parts.append("one of " + codes(map(str, argument.choices)))
    default = argument.default
    plain = isinstance(default, int | str) and not isinstance(default, bool)
    if plain and default != "" and str(default) not in meaning:
        parts.append(f"default {code(str(default))}")
    if isinstance(default, list) and default:
        parts.append(f"default {codes(default)}")
    if argument.required and argument.option_strings:
        parts.append("must be given")
    return "; ".join(filter(None, parts))
