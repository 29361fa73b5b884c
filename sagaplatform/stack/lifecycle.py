"""Starting, using and stopping the stack. Whoever uses it last stops it."""

import contextlib
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import psycopg

from sagaplatform.stack import (
    accounts,
    cluster,
    commands,
    environment,
    java,
    kafka,
    locks,
    ports,
    postgres,
    procfs,
    provision,
    signals,
)
from sagaplatform.stack.environment import Given, Secrets
from sagaplatform.stack.errors import (
    DatabaseRefused,
    ServerFailed,
    ServerSlow,
    SupervisorDied,
    WrongServers,
)
from sagaplatform.stack.files import empty_folder, require_space, tail
from sagaplatform.stack.layout import Layout
from sagaplatform.stack.processes import PLATFORM as PROCESSES
from sagaplatform.stack.processes import Process
from sagaplatform.stack.stand_ins import STAND_INS, StandIn
from sagaplatform.stack.supervision import (
    PLATFORM,
    SERVERS,
    Program,
    Supervisor,
    platform_program,
    write_config,
)
from sagaplatform.stack.terminal import complain, say, step
from sagaplatform.stack.watch import Watcher, title

SPACE_MB = 1_500
PATIENCE = 120.0
TOO_MANY_DEATHS = 3  # of one process while the platform starts


@dataclass
class Stack:
    """One local stack: where it is, and what it runs with."""

    layout: Layout
    environ: Mapping[str, str]
    waits_for_disk: bool = True  # PostgreSQL, at each commit
    supervisor: Supervisor = field(init=False)
    given: Given = field(init=False)
    kept: Secrets = field(init=False)
    brokers: int = field(init=False)  # of the local Kafka; 0: it is elsewhere
    stand_ins: tuple[StandIn, ...] = field(init=False)  # for others' servers, beside the platform
    ports: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.layout)

    def open(self) -> None:
        """Read or make what is kept from start to start: passwords and ports."""
        self.given = Given.of(self.environ, self.layout.home / "own.json")
        self.given.require_complete()
        self.kept = Secrets.load(self.layout.secrets)
        asked = {} if self.supervisor.runs() else self.environ  # what runs keeps its ports
        self.brokers = cluster.how_many(self.layout, self.environ, self.given.kafka)
        self.stand_ins = self._stand_ins()
        platform = [port for each in self.platform_ports.values() for port in each]
        names = [*platform, "postgres", *broker_ports(self.brokers or 1)]
        self.ports = ports.choose(self.layout.ports, asked, names)

    @property
    def kafka(self) -> str:
        return self.given.kafka or self.own_kafka

    @property
    def own_kafka(self) -> str:
        names = cluster.names(self.brokers or 1)
        return ",".join(f"{ports.LOOPBACK}:{self.ports[each]}" for each in names)

    def _stand_ins(self) -> tuple[StandIn, ...]:
        """Those that nobody named the real one of; once something runs, those that run with it."""
        if not self.supervisor.runs():
            return tuple(each for each in STAND_INS if each.is_wanted(self.environ))
        known = {state.name for state in self.supervisor.states(PLATFORM)}
        return tuple(each for each in STAND_INS if each.process.name in known)

    @property
    def processes(self) -> tuple[Process, ...]:
        """What `up` runs beside the servers. Stand-ins first: the platform asks them."""
        return (*(each.process for each in self.stand_ins), *PROCESSES)

    @property
    def platform_ports(self) -> dict[str, tuple[str, ...]]:
        """The names of the ports that these processes answer at, by process."""
        return {"web": ("web",)} | {each.process.name: each.ports for each in self.stand_ins}

    def run_time(self) -> dict[str, str]:
        """The environment of the platform's processes."""
        return {**self._servers(), **self._of_stand_ins()}

    def _servers(self) -> dict[str, str]:
        basics = environment.basics(self.kept, self.ports["web"], self.environ)
        urls = self.given.databases or environment.run_time_urls(self.kept, self.ports["postgres"])
        copies = environment.copies(self.brokers, self.environ)
        return {**basics, **urls, **copies, environment.KAFKA: self.kafka}

    def _of_stand_ins(self) -> dict[str, str]:
        settings: dict[str, str] = {}
        for each in self.stand_ins:
            settings |= each.settings(self.ports, self.kept)
            settings |= {ports.PORTS[port].variable: str(self.ports[port]) for port in each.ports}
        return settings

    def owners(self) -> dict[str, str]:
        return self.given.owners or environment.owner_urls(self.kept, self.ports["postgres"])

    def testing(self) -> dict[str, str]:
        """The environment of the tests, who may empty tables as their owners and kill servers."""
        port = self.ports["postgres"]
        urls = environment.run_time_urls(self.kept, port, test=True)
        owners = environment.owner_urls(self.kept, port, test=True)
        own = {"KAFKA_TOPIC_PREFIX": "test.", "STACK_HOME": str(self.layout.home)}
        return {**self._servers(), **urls, **owners, **own}


# --- using


@contextlib.contextmanager
def using(stack: Stack, command: str, *, platform: bool) -> Iterator[list[locks.User]]:
    """The servers run inside the block; gives who else uses them. Stops them if we were last."""
    presence: locks.Presence | None = None
    try:
        with locks.setup(stack.layout):
            others = locks.present(stack.layout)
            presence = locks.Presence(stack.layout, command, platform=platform)
            start_servers(stack)
        yield others
    finally:
        if presence is not None:
            with signals.postponed(), locks.setup(stack.layout):
                try:
                    _leave(stack, platform=platform)
                finally:
                    presence.withdraw()


def _leave(stack: Stack, *, platform: bool) -> None:
    """Stop what nobody else uses."""
    others = locks.present(stack.layout)
    if not others:
        stop(stack)
        return
    if platform and not any(other.platform for other in others):
        with step("stopping the platform's processes"):
            stack.supervisor.stop_group(PLATFORM)
    names = ", ".join(f"`{other.command}` (process {other.pid})" for other in others)
    say(f"  What is still used by {names} keeps running; `make down` stops that too.")


def runs(stack: Stack) -> bool:
    """Whether anything of this stack runs, be it without its supervisor."""
    return stack.supervisor.runs() or bool(procfs.marked(stack.layout.home))


def stop(stack: Stack) -> None:
    """Stop everything, and whatever an interrupted start or a killed supervisor left behind."""
    if not runs(stack):
        return
    with step("stopping everything"):
        stack.supervisor.shut_down()
        procfs.end(lambda: procfs.marked(stack.layout.home))


# --- servers


def start_servers(stack: Stack) -> None:
    """Bring PostgreSQL and Kafka up with their databases and roles, unless they are already."""
    stack.open()
    names = _boot(stack) if not stack.supervisor.runs() else {}
    _require_own_servers(stack)
    stack.supervisor.start_group(SERVERS)
    if not stack.given.databases:
        with _step(names.get("postgres")):
            give_up = _patience(stack, "postgres")
            postgres.wait(stack.kept, stack.ports["postgres"], give_up)
        with _step("databases and roles" if names else None):
            _provision(stack)
    if not stack.given.kafka:
        with _step(names.get("kafka")):
            for name, address in zip(
                cluster.names(stack.brokers), stack.kafka.split(","), strict=True
            ):
                kafka.wait(address, stack.brokers, _patience(stack, name))
    _write_environment(stack)


def _boot(stack: Stack) -> dict[str, str]:
    """Prepare the servers and start supervisord. Returns what to call PostgreSQL and Kafka."""
    layout, given = stack.layout, stack.given
    if left := procfs.end(lambda: procfs.marked(layout.home)):
        say(f"  {left} processes of an interrupted run were still there and have been ended")
    require_space(layout.home, SPACE_MB)
    wanted = [] if given.databases else ["postgres"]
    wanted += broker_ports(stack.brokers)
    ports.require_free(stack.ports, wanted, layout.ports)
    servers = {} if given.databases else {"postgres": _postgres(stack)}
    servers |= {} if given.kafka else {"kafka": _kafka(stack)}
    platform = [platform_program(process, layout) for process in stack.processes]
    write_config(layout, [each for _, programs in servers.values() for each in programs], platform)
    stack.supervisor.start()
    return {name: called for name, (called, _) in servers.items()}


def broker_ports(brokers: int) -> list[str]:
    """The names of the ports that so many brokers need."""
    names = cluster.names(brokers) if brokers else ()
    return [port for each in names for port in (each, f"{each}_controller")]


def _postgres(stack: Stack) -> tuple[str, list[Program]]:
    binaries = postgres.find(stack.environ)
    account = accounts.server_account()
    server = postgres.prepare(stack.layout, binaries, account, stack.kept, stack.ports["postgres"])
    server = replace(server, waits_for_disk=stack.waits_for_disk)
    program = Program(
        "postgres",
        server.command,
        folder=server.folder,
        start_seconds=3,
        retries=5,  # right after kill -9 the old lock file and memory may be met
        stop_signal="INT",  # "fast": roll back, disconnect, checkpoint
        stop_seconds=30,
        account=account,
    )
    return str(server), [program]


def _kafka(stack: Stack) -> tuple[str, list[Program]]:
    runtime = java.find(stack.environ)
    nodes = kafka.prepare(stack.layout, runtime, stack.ports, stack.brokers)
    return kafka.told(nodes), [_broker(each) for each in nodes]


def _broker(node: kafka.Kafka) -> Program:
    return Program(
        node.name,
        node.command,
        folder=node.folder,
        start_seconds=10,
        retries=3,
        stop_signal="TERM",
        stop_seconds=30,
    )


def _require_own_servers(stack: Stack) -> None:
    """Raise WrongServers if what runs was started without a server that we need."""
    running = {state.name for state in stack.supervisor.states(SERVERS)}
    needed = [] if stack.given.databases else ["postgres"]
    needed += cluster.names(stack.brokers) if stack.brokers else []
    for name in needed:
        if name not in running:
            raise WrongServers(home=stack.layout.home, what=title(name))


def _provision(stack: Stack, *, test: bool = False) -> None:
    try:
        provision.provision(stack.kept, stack.ports["postgres"], test=test)
    except psycopg.Error as refusal:
        log = stack.layout.log("postgres")
        raise DatabaseRefused(reason=str(refusal).strip(), log=log) from refusal


def _write_environment(stack: Stack) -> None:
    ports.keep(stack.layout.ports, stack.ports)
    environment.write_env(stack.layout.app_env, stack.run_time())
    environment.write_env(stack.layout.owner_env, stack.owners())
    own = stack.layout.home / "own.json"
    environment.remember_own(own, stack.kept, stack.ports["postgres"], stack.own_kafka)


def _step(text: str | None) -> contextlib.AbstractContextManager[None]:
    """A step with a line of its own; without a text it is done silently."""
    return step(text) if text else contextlib.nullcontext()


def _patience(stack: Stack, name: str) -> Callable[[], None]:
    """A function that raises when the server has given up or has taken too long."""
    until = time.monotonic() + PATIENCE
    log = stack.layout.log(name)

    def give_up() -> None:
        state = {each.name: each.state for each in stack.supervisor.states()}.get(name)
        if state == "FATAL":
            raise ServerFailed(what=title(name), log=log, tail=tail(log))
        if time.monotonic() > until:
            raise ServerSlow(what=title(name), seconds=int(PATIENCE), log=log, tail=tail(log))
        if not stack.supervisor.runs():
            raise SupervisorDied(log=stack.layout.log("supervisord"))

    return give_up


# --- set-up and platform


def set_up(stack: Stack) -> None:
    """Tables (as owner) and topics."""
    as_owner = {**stack.run_time(), **stack.owners(), "DATABASE_ROLE": "owner"}
    commands.manage(stack.layout, "tables (migrate_all)", "migrate_all", as_owner)
    commands.manage(stack.layout, "topics (create_topics)", "create_topics", stack.run_time())


def set_up_tests(stack: Stack) -> None:
    """The second set of databases, with its tables and its topics."""
    with step("test databases"):
        _provision(stack, test=True)
    values = stack.testing()
    as_owner = {**values, "DATABASE_ROLE": "owner"}
    commands.manage(stack.layout, "test tables (migrate_all)", "migrate_all", as_owner)
    commands.manage(stack.layout, "test topics (create_topics)", "create_topics", values)


def create_users(stack: Stack) -> str:
    """The demonstration users; returns what to tell about their logins."""
    text = "shop and users (open_demo_shop)"
    return commands.manage(stack.layout, text, "open_demo_shop", stack.run_time())


def start_platform(stack: Stack) -> None:
    """Start the platform's processes and wait until all run and the web pages answer."""
    alive = [state.name for state in stack.supervisor.states(PLATFORM) if state.alive]
    answers = stack.platform_ports.items()
    wanted = [port for name, its in answers if name not in alive for port in its]
    ports.require_free(stack.ports, wanted, stack.layout.ports)
    if not alive:
        empty_folder(stack.layout.metrics)  # what earlier processes counted
    watcher = Watcher(stack.layout)
    with step(f"the platform's {len(stack.processes)} processes"):
        began = time.time()
        stack.supervisor.start_group(PLATFORM)
        _wait_until(stack, watcher, lambda: _web_answers(stack.ports["web"]))
        mature = time.time() - began + 1
        _wait_until(stack, watcher, lambda: _all_live(stack, mature))


def _all_live(stack: Stack, seconds: float) -> bool:
    """Whether every process has lived that long: as long as the web process needed to answer, for
    all load the same code, so that one that fails at its start has had the time to."""
    youngest_may_be = time.time() - min(seconds, PATIENCE / 2)
    states = stack.supervisor.states(PLATFORM)
    return all(each.alive and each.started <= youngest_may_be for each in states)


def _wait_until(stack: Stack, watcher: Watcher, done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        _check_platform(stack, watcher, until)
        time.sleep(0.2)


def _web_answers(port: int) -> bool:
    address = f"http://{ports.LOOPBACK}:{port}/health/live"
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


def _check_platform(stack: Stack, watcher: Watcher, until: float) -> None:
    """Raise when a process keeps dying, or when it takes too long."""
    list(watcher.news())
    for name, deaths in watcher.deaths.items():
        if deaths >= TOO_MANY_DEATHS:
            log = stack.layout.log(name)
            raise ServerFailed(what=_capital(title(name)), log=log, tail=tail(log))
    if not stack.supervisor.runs():
        raise SupervisorDied(log=stack.layout.log("supervisord"))
    if time.monotonic() > until:
        states = stack.supervisor.states(PLATFORM)
        late = next((each.name for each in states if not each.alive), "web")
        log = stack.layout.log(late)
        what = _capital(title(late))
        raise ServerSlow(what=what, seconds=int(PATIENCE), log=log, tail=tail(log))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


# --- reporting deaths


def watch(stack: Stack) -> None:
    """Report deaths and restarts until interrupted. Raises SupervisorDied."""
    watcher = Watcher(stack.layout)
    while stack.supervisor.runs():
        _report(watcher, say)
        time.sleep(0.5)
    raise SupervisorDied(log=stack.layout.log("supervisord"))


@contextlib.contextmanager
def watched(stack: Stack) -> Iterator[None]:
    """The same beside something else, in a thread."""
    watcher = Watcher(stack.layout)
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.5):
            _report(watcher, complain)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _report(watcher: Watcher, tell: Callable[[str], None]) -> None:
    for sentence in watcher.news():
        tell(f"{time.strftime('%H:%M:%S')} {sentence}")
