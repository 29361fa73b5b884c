"""The files around the code agree with it: image, compose file, lock files, decisions."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagaplatform.env import ALIASES, CONTEXTS, SETTINGS
from sagaplatform.stack import kafka, provision
from sagaplatform.stack.jars import KAFKA

ROOT = Path(__file__).parent.parent.parent
DECISIONS = ROOT / "docs" / "decisions"
LOCK_FILES = ("requirements.txt", "requirements-stack.txt", "requirements-test.txt")
KNOWN = {each.name for each in SETTINGS}


def services() -> dict[str, str]:
    """The services of the compose file, each with its text."""
    return parts_of("compose.yaml")


def parts_of(path: str) -> dict[str, str]:
    """The services of a compose file, each with its text."""
    sections = (ROOT / path).read_text().split("\nservices:\n")[1].split("\nvolumes:")[0]
    parts = re.split(r"^  (\w+):", sections, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def instructions(path: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile, each with its arguments on one line."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / path).read_text(), flags=re.M).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        yield word, re.sub(r"\s+", " ", rest)


# --- image


def test_the_image_is_built_in_two_stages_and_runs_as_nobody_in_particular() -> None:
    given = list(instructions("Dockerfile"))
    stages = [rest.rpartition(" AS ")[2] for word, rest in given if word == "FROM"]
    assert stages == ["packages", "platform"]
    assert [rest for word, rest in given if word == "USER"] == ["10001:10001"]
    last = [word for word, _ in given]
    assert last.index("USER") < last.index("HEALTHCHECK") < last.index("CMD")


def test_the_image_installs_what_is_locked_and_checks_every_hash() -> None:
    [install] = [rest for _, rest in instructions("Dockerfile") if "pip install" in rest]
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert "-r requirements.txt" in install


def test_no_secret_gets_into_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert not [rule for rule in rules if rule.startswith(("!.env", "!.local", "!.git"))]


# --- compose file


def test_each_context_has_its_consumer_which_is_given_only_its_own_database() -> None:
    given = services()
    for context in CONTEXTS:
        assert f"run_consumer {context}\n" in given[context]
        databases = re.findall(r"DATABASE_\w+", given[context])
        assert databases == [f"DATABASE_URL_{context.upper()}"]
        assert f"SAGA_CONTEXTS: {context}, " in given[context]
        assert "run-time" not in given[context]


def test_there_is_no_other_service() -> None:
    others = {"web", "migrate", "topics", "postgres", "kafka"}
    ours = {"worker", "beat", "watchdog", "alerts"}
    assert set(services()) == {*CONTEXTS, *others, *ours}


def test_only_the_migration_is_given_the_owners_passwords() -> None:
    found = {name for name, text in services().items() if "DATABASE_OWNER_URL" in text}
    assert found == {"migrate"}
    owners = set(re.findall(r"DATABASE_OWNER_URL_(\w+):", services()["migrate"]))
    assert owners == {alias.upper() for alias in ALIASES}


def test_the_compose_file_gives_only_settings_that_the_table_knows() -> None:
    text = (ROOT / "compose.yaml").read_text()
    ours = text.replace(services()["postgres"], "").replace(services()["kafka"], "")
    given = set(re.findall(r"\b([A-Z][A-Z_]+): ", ours))
    assert given <= KNOWN, given - KNOWN
    assert {"SECRET_KEY", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_ROLE"} <= given
    assert {f"DATABASE_URL_{alias.upper()}" for alias in ALIASES} <= given


def test_no_password_has_a_default_and_each_is_made_by_the_script() -> None:
    text = (ROOT / "compose.yaml").read_text()
    wanted = set(re.findall(r"\$\{(\w*(?:PASSWORD|SECRET)\w*):\?", text))
    free = re.findall(r"\$\{\w*(?:PASSWORD|SECRET)\w*(?::-|-|\}).*", text)
    assert set(free) == {
        "${STRIPE_WEBHOOK_SECRET:-} # empty: no webhook is believed",
        "${CARRIER_WEBHOOK_SECRET:-} # empty: nobody may tell us anything",
        "${EMAIL_PASSWORD:-} # empty where the server wants none",
        "${NOTIFY_WEBHOOK_SECRET:-} # empty: customers cannot ask for pushes",
        "${MAIL_WEBHOOK_SECRET:-} # empty: nobody tells of mails that came back",
    }
    script = (ROOT / "docker" / "secrets.sh").read_text()
    [contexts] = re.findall(r"for context in (.*); do", script)
    assert contexts.split() == [alias.upper() for alias in ALIASES]
    roles = {f"{alias}_{role}_PASSWORD" for alias in contexts.split() for role in ("OWNER", "APP")}
    assert wanted == roles | {"SECRET_KEY", "POSTGRES_PASSWORD"}


def test_ports_are_open_to_this_machine_only() -> None:
    published = re.findall(r"ports: \[(.*)\]", (ROOT / "compose.yaml").read_text())
    assert published == ['"127.0.0.1:${WEB_PORT:-8000}:8000"']


def test_kafka_in_the_compose_file_is_set_up_as_in_the_local_stack() -> None:
    text = services()["kafka"]
    assert f"apache/kafka:{KAFKA}" in text
    given = dict(re.findall(r'KAFKA_(\w+): "?([^"\n]*)', text))
    same = {
        name: value
        for name, value in kafka.SETTINGS.items()
        if name.startswith(("group.", "auto.", "offsets.", "transaction.", "share."))
    }
    assert {name: given.get(name.upper().replace(".", "_")) for name in same} == same


# --- one context alone


def test_the_context_that_runs_alone_needs_what_its_guide_says() -> None:
    """Each variable without a default stands in the guide's file, and each of the file is used."""
    text = (ROOT / "docker" / "inventory.yaml").read_text()
    guide = (ROOT / "docs" / "howto" / "run-a-context-alone.md").read_text()
    [given] = re.findall(r"```sh\n(SECRET_KEY=.*?)```", guide, re.S)
    names = set(re.findall(r"^(\w+)=", given, re.M))
    assert names == set(re.findall(r"\$\{(\w+):\?", text))
    assert set(re.findall(r"^ +([A-Z][A-Z_]+): ", text, re.M)) <= KNOWN


def test_the_context_that_runs_alone_is_given_its_own_database_only() -> None:
    found = parts_of("docker/inventory.yaml")
    assert set(found) == {"inventory", "worker", "beat", "web", "migrate", "topics"}
    assert {name for name, text in found.items() if "OWNER" in text} == {"migrate"}
    text = (ROOT / "docker" / "inventory.yaml").read_text()
    assert set(re.findall(r"^ +(DATABASE_\w*URL\w*):", text, re.M)) == {
        "DATABASE_URL_INVENTORY",
        "DATABASE_OWNER_URL_INVENTORY",
    }


@pytest.mark.parametrize("part", ["inventory", "worker", "beat", "migrate", "topics"])
def test_a_command_of_the_context_that_runs_alone_is_that_of_the_whole(part: str) -> None:
    [command] = re.findall(r"command: (.*)", parts_of("docker/inventory.yaml")[part])
    assert f"command: {command}\n" in services()[part]


# --- databases in the compose file


def test_the_databases_are_made_as_in_the_local_stack() -> None:
    script = (ROOT / "docker" / "postgres" / "databases.sh").read_text()
    [contexts] = re.findall(r"for context in (.*); do", script)
    assert contexts.split() == list(ALIASES)
    limits = dict(re.findall(r"ALTER ROLE :\"app\" SET (\w+) = '(\w+)'", script))
    assert limits == provision.LIMITS
    for statement in provision.OPEN_SCHEMA:
        text = statement.as_string().replace("{owner}", ':"owner"').replace("{app}", ':"app"')
        assert text in re.sub(r"\n\s+", " ", script)


# --- lock files


@pytest.mark.parametrize("name", LOCK_FILES)
def test_a_lock_file_names_no_place_to_fetch_from(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.findall(
        r"^\s*(?:-i|-f|--index-url|--extra-index-url|--find-links)\b.*", text, re.M
    )
    assert "://" not in text


@pytest.mark.parametrize("name", LOCK_FILES)
def test_every_locked_package_has_a_hash(name: str) -> None:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.M).replace("\\\n", " ")
    locked = [line for line in text.splitlines() if line.strip()]
    assert locked
    assert [line for line in locked if "==" not in line or "--hash=sha256:" not in line] == []


# --- decisions


def records() -> list[Path]:
    return sorted(DECISIONS.glob("[0-9]*.md"))


def test_the_decisions_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in records()] == [
        f"{n:04}" for n in range(1, len(records()) + 1)
    ]


def test_the_index_lists_every_decision_by_its_title() -> None:
    index = (DECISIONS / "README.md").read_text()
    listed = re.findall(r"^- (\d{4}) \[(.*)\]\((\d{4}-.*\.md)\)", index, re.M)
    titles = [path.read_text().splitlines()[0] for path in records()]
    assert [(f"# {number}. {title}", file) for number, title, file in listed] == [
        (title, path.name) for title, path in zip(titles, records(), strict=True)
    ]


@pytest.mark.parametrize("path", records(), ids=lambda path: path.stem)
def test_a_decision_says_what_was_wanted_decided_and_refused(path: Path) -> None:
    headings = re.findall(r"^## (.*)", path.read_text(), re.M)
    assert headings == ["Context", "Decision", "Consequences", "Refused"]
    assert re.search(
        r"^Status: (accepted|superseded by \d{4}), \d{4}-\d\d-\d\d$", path.read_text(), re.M
    )


# --- texts


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=str)
def test_links_between_files_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
