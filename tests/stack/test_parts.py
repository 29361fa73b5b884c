"""The stack's parts that need no server."""

import re
import socket
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from sagaplatform.stack import cluster, environment, jars, java, ports, postgres, supervision
from sagaplatform.stack.environment import Given, Secrets
from sagaplatform.stack.errors import (
    BadBrokers,
    BadPgBin,
    BadPort,
    BrokersElsewhere,
    JarChanged,
    MissingUrls,
    NotOurs,
    OtherBrokers,
    PortTaken,
    SamePort,
)
from sagaplatform.stack.files import empty_folder, own_folder
from sagaplatform.stack.layout import Layout, checkout
from sagaplatform.stack.lifecycle import Stack
from sagaplatform.stack.processes import PLATFORM
from sagaplatform.stack.watch import Watcher

# --- ports


def test_two_servers_cannot_have_one_port(tmp_path: Path) -> None:
    asked = {"POSTGRES_PORT": "5500", "KAFKA_CONTROLLER_PORT": "5500"}
    with pytest.raises(SamePort) as refusal:
        ports.choose(tmp_path / "ports.json", asked)
    told = "POSTGRES_PORT and KAFKA_CONTROLLER_PORT are both 5500. Give one of them another port."
    assert str(refusal.value) == told


def test_ports_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = ports.choose(file, {})
    ports.keep(file, first)
    assert ports.choose(file, {}) == first
    assert ports.choose(file, {"WEB_PORT": "8123"}) == {**first, "web": 8123}


def test_two_homes_begin_to_look_at_different_ports(tmp_path: Path) -> None:
    homes = (tmp_path / ".local", tmp_path / ".local" / "beside")
    first, second = (ports.choose(home / "ports.json", {}) for home in homes)
    assert not set(first.values()) & set(second.values())
    assert second["postgres"] >= 5533


def test_a_taken_port_is_passed_over_when_choosing_and_refused_when_kept(tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        assert ports.first_free(taken) > taken
        with pytest.raises(PortTaken) as refusal:
            ports.require_free({"web": taken}, ["web"], tmp_path / "ports.json")
    assert str(refusal.value).startswith(f"Port {taken}, meant for the web pages, is taken")
    assert " WEB_PORT=" in str(refusal.value)


@pytest.mark.parametrize("value", ["0", "65536", "http"])
def test_a_port_must_be_one(tmp_path: Path, value: str) -> None:
    with pytest.raises(BadPort, match=f"WEB_PORT={value} is no port"):
        ports.choose(tmp_path / "ports.json", {"WEB_PORT": value})


# --- environment


def urls(host: str) -> dict[str, str]:
    names = [f"DATABASE_URL_{alias.upper()}" for alias in environment.ALIASES]
    return dict.fromkeys(names, f"postgresql://u:p@{host}/x")


def test_passwords_are_random_and_made_once(tmp_path: Path) -> None:
    kept = Secrets.load(tmp_path / "one")
    assert Secrets.load(tmp_path / "one") == kept
    assert Secrets.load(tmp_path / "two").superuser != kept.superuser
    assert len({kept.superuser, kept.secret_key, *kept.roles.values()}) == 20


def test_the_stacks_own_addresses_are_no_strangers(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    environment.remember_own(own, Secrets.load(tmp_path / "s"), 5433, "127.0.0.1:9092")
    inside = {**urls("127.0.0.1:5433"), "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}
    assert Given.of(inside, own) == Given({}, {}, "")


def test_what_a_start_notes_is_never_half_written(tmp_path: Path) -> None:
    """Ctrl-C may come at any moment; the next start reads the old note or the new one."""
    own, chosen = tmp_path / "own.json", tmp_path / "ports.json"
    kept = Secrets.load(tmp_path / "s")
    environment.remember_own(own, kept, 5433, "127.0.0.1:9092")
    ports.keep(chosen, {"web": 8000})
    with own.open() as old_own, chosen.open() as old_chosen:
        environment.remember_own(own, kept, 5434, "127.0.0.1:9093")
        ports.keep(chosen, {"web": 8001})
        assert "5433" in old_own.read()
        assert "8000" in old_chosen.read()
    assert "5434" in own.read_text()
    assert "8001" in chosen.read_text()


def test_databases_of_others_are_used_when_owners_are_given_too(tmp_path: Path) -> None:
    outside = urls("db.example:5432")
    with pytest.raises(MissingUrls, match="not DATABASE_OWNER_URL_DEFAULT"):
        Given.of(outside, tmp_path / "own.json").require_complete()
    owners = {name.replace("URL", "OWNER_URL"): url for name, url in outside.items()}
    given = Given.of({**outside, **owners}, tmp_path / "own.json")
    given.require_complete()
    assert given.databases == outside


def test_owners_passwords_are_not_handed_on() -> None:
    whole = {"PATH": "/bin", "DATABASE_OWNER_URL_ORDERS": "x", "DATABASE_ROLE": "owner"}
    assert environment.without_servers(whole) == {"PATH": "/bin"}


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("open", "link"):
        with pytest.raises(NotOurs, match="can be written by others"):
            own_folder(tmp_path / name, 0o700)


# --- stand-ins


@pytest.mark.parametrize("named", [{}, {"STRIPE_API_KEY": ""}, {"STRIPE_API_KEY": "sk_test_local"}])
def test_the_shop_takes_cards_through_a_stand_in_until_the_real_one_is_named(
    tmp_path: Path, named: dict[str, str]
) -> None:
    stack = Stack(Layout(checkout(), tmp_path), named)
    stack.open()
    assert "gateway" in [each.name for each in stack.processes]
    told = stack.run_time()
    assert told["STRIPE_API_BASE"] == f"http://127.0.0.1:{stack.ports['gateway']}"
    assert told["STRIPE_API_KEY"] == "sk_test_local"
    assert told["STRIPE_WEBHOOK_SECRET"].startswith("whsec_")
    assert "STRIPE_API_KEY" not in stack.testing()


def test_a_key_of_stripes_is_all_that_it_takes_to_do_without_the_stand_in(tmp_path: Path) -> None:
    stack = Stack(Layout(checkout(), tmp_path), {"STRIPE_API_KEY": "sk_test_theirs"})
    stack.open()
    assert "gateway" not in [each.name for each in stack.processes]
    assert not [name for name in stack.run_time() if name.startswith("STRIPE")]


# --- programs


def test_a_wrong_pg_bin_is_refused_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(BadPgBin, match=f"PG_BIN={tmp_path} is no bin directory"):
        postgres.find({"PG_BIN": str(tmp_path)})


def test_an_old_java_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    found = java.find({"JAVA_HOME": str(tmp_path), "PATH": str(old.parent)})
    assert found.path == java.wheel()
    assert found.major >= 25


# --- Kafka's jars


def test_the_lock_file_names_digests_and_no_address() -> None:
    text = jars.LOCK.read_text()
    assert "//" not in text
    locked = jars.locked()
    assert len(locked) > 40
    assert all(len(jar.sha256) == 64 for jar in locked)
    assert f"kafka_2.13:{jars.KAFKA}" in text


def test_a_jar_with_another_digest_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = jars.locked()[0]

    def deliver(context: object, wanted: jars.Jar) -> None:
        wanted.path_in(tmp_path).parent.mkdir(parents=True, exist_ok=True)
        wanted.path_in(tmp_path).write_bytes(b"something else")

    monkeypatch.setattr(jars, "_download", deliver)
    with pytest.raises(JarChanged, match=r"does not have the digest written in kafka\.lock"):
        jars.fetch([jar], tmp_path)
    assert not jar.path_in(tmp_path).exists()


def test_a_mirror_in_mavens_settings_is_respected(tmp_path: Path) -> None:
    settings = tmp_path / "settings.xml"
    mirror = "<mirror><mirrorOf>{}</mirrorOf><url>https://{}/</url></mirror>"
    mirrors = mirror.format("snapshots", "a.example") + mirror.format("central", "b.example")
    space = 'xmlns="http://maven.apache.org/SETTINGS/1.2.0"'
    settings.write_text(f"<settings {space}><mirrors>{mirrors}</mirrors></settings>")
    assert jars.mirror_of_central(settings) == "https://b.example"
    assert jars.mirror_of_central(tmp_path / "none.xml") is None


# --- supervision


def layout_in(folder: Path) -> Layout:
    layout = Layout(root=folder, home=folder / "home")
    layout.create()
    return layout


def test_only_who_is_hasty_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    server = postgres.Postgres(postgres.Binaries(tmp_path, "15.18"), None, tmp_path, 5433)
    assert "fsync" not in server.command
    assert replace(server, waits_for_disk=False).command == f"{server.command} -c fsync=off"


def test_the_configuration_holds_every_process_and_no_password(tmp_path: Path) -> None:
    layout = layout_in(tmp_path / "100% strange")
    programs = [supervision.platform_program(process, layout) for process in PLATFORM]
    supervision.write_config(layout, [], programs)
    text = layout.supervisor_config.read_text()
    assert [f"[program:{process.name}]" in text for process in PLATFORM] == [True] * 13
    assert "100%% strange" in text
    assert "postgresql://" not in text


def test_the_platforms_processes_count_in_one_folder_and_no_server_does(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)
    programs = [supervision.platform_program(process, layout) for process in PLATFORM]
    server = supervision.Program("postgres", "postgres", tmp_path, 1, 1, "INT", 1)
    supervision.write_config(layout, [server], programs)
    text = layout.supervisor_config.read_text()
    assert text.count(f'environment=PROMETHEUS_MULTIPROC_DIR="{layout.metrics}"') == len(PLATFORM)
    assert text.count("environment=") == len(PLATFORM)


def test_a_folder_is_emptied_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    for _ in range(2):
        empty_folder(folder)
        assert list(folder.iterdir()) == []
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "counter_1.db").touch()


def test_a_long_home_gets_a_short_socket(tmp_path: Path) -> None:
    layout = layout_in(tmp_path / ("x" * 100))
    path = supervision.socket_path(layout)
    assert len(str(path)) <= supervision.LONGEST_SOCKET
    path.parent.rmdir()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "WARN exited: orders (exit status 3; not expected)",
            "The consumer of orders died (exit status 3). Its log: ",
        ),
        (
            "WARN exited: kafka (terminated by SIGKILL; not expected)",
            "Kafka died (terminated by SIGKILL). Its log: ",
        ),
        (
            "INFO gave up: web entered FATAL state, too many start retries too quickly",
            "The web process keeps dying and is not started any more. See the end of ",
        ),
        (
            "WARN exited: worker (terminated by SIGSEGV; not expected)",
            "The worker died (terminated by SIGSEGV). Its log: ",
        ),
        ("INFO spawnerr: can't find command 'x'", "Not started: can't find command 'x'"),
        ("INFO stopped: web (exit status 0)", None),
        ("INFO spawned: 'web' with pid 5", None),
    ],
)
def test_deaths_are_told_in_plain_words(tmp_path: Path, line: str, sentence: str | None) -> None:
    layout = layout_in(tmp_path)
    layout.log("supervisord").write_text("older\n")
    watcher = Watcher(layout)
    with layout.log("supervisord").open("a") as log:
        log.write(f"2026-01-01 10:00:00,000 {line}\n")
    told = list(watcher.news())
    assert [text.startswith(sentence or "") for text in told] == [True] * bool(sentence)


# --- the door


def test_help_names_every_command() -> None:
    words = [sys.executable, "-m", "sagaplatform.stack", "--help"]
    text = subprocess.run(words, cwd=checkout(), capture_output=True, text=True, check=True).stdout
    for command in ("up", "down", "status", "run", "servers"):
        assert f"    {command} " in text


def make(*words: str) -> str:
    """What make says."""
    words = ("make", "--no-print-directory", *words)
    return subprocess.run(words, cwd=checkout(), capture_output=True, text=True, check=True).stdout


def test_make_help_names_every_target_in_one_column() -> None:
    text = make("help")
    for target in ("up", "down", "demo", "test", "bench", "lock"):
        assert f"make {target} " in text
    listed = re.findall(r"^  make [a-z-]+ +", text, re.MULTILINE)
    assert len(set(map(len, listed))) == 1


def test_make_bench_measures_the_mode_that_is_named() -> None:
    def bench(*given: str) -> str:
        return make("--dry-run", "bench", *given).splitlines()[-1].partition(" -m benchmarks")[2]

    assert bench("MODE=").split() == []
    assert bench("MODE=choreographed", "BENCH=--json").split() == [
        "--only", '"choreographed,floor-choreographed,dbos"', "--json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "program", "variables", "given"),
    [
        ("demo", " manage.py demo ", ["ORDERS=0", "KILL_BROKER=2"],
         ["--orders", '"0"', "--kill-broker", '"2"']),
        ("reliability", " -m tests.reliability ", ["SEEDS=x"], ["--seeds", '"x"']),
        ("bench", " -m benchmarks ", ["MODE=bogus"], ["--only", '"bogus,floor-bogus,dbos"']),
    ],
)  # fmt: skip
def test_make_reads_its_variables_before_it_starts_anything(
    target: str, program: str, variables: list[str], given: list[str]
) -> None:
    lines = make("--dry-run", target, *variables).splitlines()
    arguments = [line.partition(program)[2].split() for line in lines]
    first = arguments.index([*given, "--help", ">/dev/null"])
    assert arguments.index(given) > first
    assert not any("stack run" in line for line in lines[: first + 1])


def test_nothing_imports_django() -> None:
    code = "import sys, sagaplatform.stack.cli; sys.exit('django' in sys.modules)"
    assert subprocess.call([sys.executable, "-c", code], cwd=checkout()) == 0


# --- brokers


def test_there_is_one_broker_unless_three_are_asked_for(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path, home=tmp_path)
    assert cluster.how_many(layout, {}, "") == 1
    assert cluster.how_many(layout, {"BROKERS": "3"}, "") == 3
    assert cluster.how_many(layout, {}, "broker.example:9092") == 0
    with pytest.raises(BadBrokers, match=r"BROKERS=2 is no number of brokers .* Give 1 or 3"):
        cluster.how_many(layout, {"BROKERS": "2"}, "")
    with pytest.raises(BrokersElsewhere, match=r"KAFKA_BOOTSTRAP_SERVERS=broker\.example"):
        cluster.how_many(layout, {"BROKERS": "3"}, "broker.example:9092")


def test_a_number_that_nothing_was_written_with_is_forgotten(tmp_path: Path) -> None:
    """A start that was interrupted before the first storage was formatted binds nobody."""
    layout = Layout(root=tmp_path, home=tmp_path)
    first = cluster.Cluster.load(layout, 1)
    assert cluster.Cluster.load(layout, 1) == first
    assert cluster.how_many(layout, {"BROKERS": "3"}, "") == 3
    assert cluster.Cluster.load(layout, 3).brokers == 3


def test_data_of_before_the_note_was_written_by_one(tmp_path: Path) -> None:
    (tmp_path / "kafka" / "data").mkdir(parents=True)
    (tmp_path / "kafka" / "data" / "meta.properties").touch()
    layout = Layout(root=tmp_path, home=tmp_path)
    assert cluster.how_many(layout, {}, "") == 1
    with pytest.raises(OtherBrokers, match=r"was written by 1 broker\(s\)"):
        cluster.how_many(layout, {"BROKERS": "3"}, "")


def test_no_cluster_id_looks_like_an_option() -> None:
    """One in 64 random ids would begin with a dash, and Kafka's storage could not be formatted."""
    dashed = uuid.UUID("f8000000-0000-4000-8000-000000000000")

    assert cluster.cluster_id(dashed) == "AAAAAAAAQACAAAAAAAAAAA"
    assert len({cluster.cluster_id(uuid.uuid4()) for _ in range(100)}) == 100
