"""Dockerfile and compose file are read here, for where they are changed nothing runs them.

tests/project/test_files.py compares them with the table of settings and the local stack; here they
are compared with what they start and copy. docs/decisions/0037-… says what else was tried by hand.
"""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import resolve

from apps.messaging.management.commands.run_watchdog import watching
from sagaplatform.env import SETTINGS
from sagaplatform.management.commands.env_example import as_text
from sagaplatform.stack.processes import PLATFORM, WEB
from tests.project.test_files import instructions, services

ROOT = Path(__file__).parent.parent.parent
COMPOSE = (ROOT / "compose.yaml").read_text()
ALONE = (ROOT / "docker" / "inventory.yaml").read_text()
FOREIGN = {"postgres", "kafka"}  # images of others
ONCE = {"migrate", "topics"}  # run at each start and end
# What the compose file does not ask for: it is no developer's machine, and its Kafka is its own.
DECIDED = {
    "DEBUG", "CARD_GATEWAY", "STRIPE_API_BASE",
    "KAFKA_TOPIC_PREFIX", "KAFKA_REPLICATION", "KAFKA_MIN_INSYNC",
    "KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD",
}  # fmt: skip
INSTRUCTIONS = list(instructions("Dockerfile"))


def command_of(service: str) -> str:
    """What a service of ours runs; the web process runs what the image does."""
    return (re.findall(r"^    command: (.+)$", services()[service], re.MULTILINE) or [""])[0]


def of_dockerfile(word: str) -> list[str]:
    return [rest for each, rest in INSTRUCTIONS if each == word]


# --- what runs


def test_the_compose_file_runs_the_processes_of_the_local_stack() -> None:
    ours = set(services()) - FOREIGN - ONCE
    assert ours == {each.name for each in PLATFORM}
    assert len(ours) == 13
    for process in PLATFORM:
        wanted = "" if process is WEB else process.command
        assert command_of(process.name) == wanted, process.name


def test_the_image_serves_the_pages_as_the_local_stack_does() -> None:
    [command] = of_dockerfile("CMD")[-1:]
    given = re.findall(r'"([^"]+)"', command)
    local = shlex.split(WEB.command)
    its_own = {
        "0.0.0.0:8000", "127.0.0.1:$WEB_PORT", "--workers", "1", "--worker-tmp-dir", "/dev/shm",
    }  # fmt: skip
    assert set(given) ^ set(local) == its_own


@pytest.mark.parametrize("service", sorted(set(services()) - FOREIGN - {"web"}))
def test_every_command_is_one_that_is_there(service: str) -> None:
    python, script, name, *_ = shlex.split(command_of(service))
    assert (python, script) == ("python", "manage.py")
    assert name in get_commands()


def test_each_service_is_given_as_long_to_stop_as_its_process_needs() -> None:
    [patience] = re.findall(r"stop_grace_period: (\d+)s", COMPOSE.split("\nservices:")[0])
    assert int(patience) >= max(each.patience for each in PLATFORM)


# --- what is given


def test_every_variable_is_written_by_the_script_or_has_a_default() -> None:
    must = set(re.findall(r"\$\{(\w+):\?", COMPOSE))
    optional = set(re.findall(r"\$\{(\w+):-", COMPOSE))
    every = set(re.findall(r"\$\{(\w+)", COMPOSE))
    script = (ROOT / "docker" / "secrets.sh").read_text()
    written = set(re.findall(r'echo "(\w+)=', script))
    roles = {each for each in must if each.endswith(("_OWNER_PASSWORD", "_APP_PASSWORD"))}
    assert every == must | optional
    assert must - roles <= written
    assert "SECRET_KEY" in must
    assert "HTTPS" in written & optional


def basics(compose: str) -> set[str]:
    """The settings that every service of a compose file is given."""
    [block] = re.findall(r"^x-basics: &basics\n((?:  .*\n)+)", compose, re.MULTILINE)
    return set(re.findall(r"^  ([A-Z_]+): ", block, re.MULTILINE))


def test_every_setting_can_be_given_to_the_processes_of_the_compose_file() -> None:
    theirs = COMPOSE.replace(services()["postgres"], "").replace(services()["kafka"], "")
    given = set(re.findall(r"\b([A-Z][A-Z_]+): ", theirs))
    known = {each.name for each in SETTINGS}
    assert known - given == DECIDED
    assert basics(COMPOSE) <= known


def test_who_reads_a_setting_is_given_it() -> None:
    assert "KAFKA_TRANSACTIONS" in basics(COMPOSE)
    given = {name for name, text in services().items() if "HAND_OVER_AFTER: " in text}
    assert given == {"shipping", "web"}  # web: the conservation check


def test_the_watchdog_has_every_context_that_is_watched() -> None:
    text = services()["watchdog"]
    [named] = re.findall(r"SAGA_CONTEXTS: (\S+)", text)
    assert sorted(named.split(",")) == sorted(watching())
    databases = set(re.findall(r"DATABASE_URL_(\w+):", text))
    assert databases == {each.upper() for each in watching()}


def test_what_runs_alone_can_be_given_what_the_others_are_and_its_own_kafka() -> None:
    of_kafka = {each.name for each in SETTINGS if each.name.startswith("KAFKA_")}
    once = {"KAFKA_PARTITIONS", "KAFKA_REPLICATION", "KAFKA_MIN_INSYNC"}  # when topics are made
    assert basics(COMPOSE) | of_kafka - once <= basics(ALONE)
    assert once <= set(re.findall(r"^ +([A-Z_]+): ", ALONE, re.MULTILINE))


@pytest.mark.parametrize("text", [COMPOSE, ALONE], ids=["compose.yaml", "inventory.yaml"])
def test_what_nobody_gives_is_as_in_the_table_of_settings(text: str) -> None:
    defaults = {each.name: as_text(each.default) for each in SETTINGS}
    told = dict(re.findall(r"\$\{(\w+):-(.*?)\}", text))
    its_own = {"WEB_PORT", "ALLOWED_HOSTS"}  # the one is no setting, the other this machine
    differing = {name for name in told.keys() - its_own if told[name] != defaults[name]}
    assert differing == set()


@pytest.mark.parametrize("text", [COMPOSE, *of_dockerfile("FROM")])
def test_images_are_named_with_a_version(text: str) -> None:
    defaults = dict(each.split("=") for each in of_dockerfile("ARG"))
    images = re.findall(r"^\s+image: (\S+)$", text, re.MULTILINE) or [text.partition(" AS ")[0]]
    for image in images:
        named = re.sub(r"\$\{(\w+)\}", lambda found: defaults[found[1]], image)
        assert re.fullmatch(r"[\w./-]+:(local|\d[\w.]*(-slim)?)", named), named


def test_who_it_runs_as_is_nobody_and_its_files_are_not_its_own() -> None:
    words = [word for word, _ in INSTRUCTIONS]
    [user] = of_dockerfile("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    after = words[words.index("USER") :]
    assert not {"COPY", "ADD", "RUN"} & set(after)
    assert not [rest for rest in of_dockerfile("COPY") if "--chown" in rest]
    for setting in ("read_only: true", "cap_drop: [ALL]", '["no-new-privileges:true"]'):
        assert setting in COMPOSE


# --- what is copied


def kept() -> list[str]:
    """What .dockerignore lets into the image."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def test_everything_that_is_copied_is_there() -> None:
    sources = [
        each
        for rest in of_dockerfile("COPY")
        if "--from=" not in rest
        for each in rest.split()[:-1]
    ]
    assert sources == ["requirements.txt", "."]
    stages = {rest.rpartition(" AS ")[2] for rest in of_dockerfile("FROM")}
    assert set(re.findall(r"--from=(\w+)", " ".join(of_dockerfile("COPY")))) <= stages
    for path in kept():
        assert (ROOT / path).exists(), path
    assert {"apps", "sagaplatform", "templates", "manage.py", "requirements.txt"} <= set(kept())


def test_what_the_compose_file_mounts_is_there() -> None:
    mounted = re.findall(r"- (\./[\w/]+):", COMPOSE)
    assert mounted == ["./docker/postgres"]
    assert [(ROOT / each).is_dir() for each in mounted] == [True]


# --- health


def test_the_health_check_asks_an_address_that_is_there() -> None:
    source = (ROOT / "docker" / "health.py").read_text()
    [port] = re.findall(r"^PORT = (\d+)$", source, re.MULTILINE)
    [asked] = re.findall(r'"GET", "([^"]+)"', source)
    assert resolve(asked).view_name == "live"
    script = "docker/health.py"
    assert f'CMD ["python", "{script}"]' in of_dockerfile("HEALTHCHECK")[0]
    assert script in kept()
    assert f"test: [CMD, python, {script}]" in services()["web"]
    assert f"0.0.0.0:{port}" in of_dockerfile("CMD")[-1]
    assert of_dockerfile("EXPOSE") == [port]
    assert f":{port}" in re.findall(r"ports: \[(.*)\]", COMPOSE)[0]
