"""What a stranger reads about the settings is what the code reads."""

from pathlib import Path

import pytest

from sagaplatform.env import SETTINGS, Setting
from sagaplatform.management.commands.env_example import example, paragraph

ROOT = Path(__file__).parent.parent.parent


def test_the_checked_in_file_is_what_the_table_gives() -> None:
    assert (ROOT / ".env.example").read_text() == example(SETTINGS), (
        "run: python manage.py env_example > .env.example"
    )


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (Setting("KEY", "str", None, "signs"), "# signs (must be given)\nKEY=\n"),
        (Setting("DEBUG", "bool", False, "off"), "# off\n#DEBUG=0\n"),
        (Setting("HOSTS", "list", ["a", "b"], "hosts"), "# hosts\n#HOSTS=a,b\n"),
        (Setting("COUNT", "int", 6, "how many"), "# how many\n#COUNT=6\n"),
        (Setting("PREFIX", "str", "", "before"), "# before\n#PREFIX=\n"),
    ],
)
def test_a_setting_has_its_meaning_and_default(setting: Setting, text: str) -> None:
    assert paragraph(setting) == text
