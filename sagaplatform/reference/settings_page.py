"""Every setting, from the table in sagaplatform/env.py."""

from sagaplatform.env import SETTINGS, Setting
from sagaplatform.management.commands.env_example import as_text
from sagaplatform.reference.markdown import code, page, table

INTRODUCTION = """
Settings are environment variables; nothing else configures a process, and each process needs only
those that it uses. `make up` needs none: it writes its own to `.local/app.env`.
[.env.example](../../.env.example) is the same table to fill in,
[compose.yaml](../../compose.yaml) shows which process is given what, and
[decision 0022](../decisions/0022-settings-in-one-table.md) why it is one table.

`bool` is written 1 or 0, `list` comma-separated. A database is given as
`postgresql://role:password@host:5432/name`.
"""
OUTLOOK = """
## Of the local stack only

`make` reads a few more, which no process of the platform sees: `PYTHON`, `PG_BIN`, `JAVA_HOME` and
the servers' ports. `make help` lists them.
"""


def settings_page() -> str:
    """The page docs/reference/settings.md."""
    rows = table(("setting", "type", "default", "meaning"), map(_row, SETTINGS))
    return page("Settings", "sagaplatform/env.py", INTRODUCTION, rows, OUTLOOK)


def _row(setting: Setting) -> tuple[str, str, str, str]:
    required = setting.default is None
    default = "*must be given*" if required else code(as_text(setting.default))
    return code(setting.name), setting.kind, default, setting.meaning
