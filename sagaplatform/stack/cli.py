"""The commands, as make calls them. `python -m sagaplatform.stack --help`"""

import argparse
import errno
import os
import shutil
import signal
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from sagaplatform.stack import jars, lifecycle, locks, ports, postgres, procfs, signals, terminal
from sagaplatform.stack.errors import StackError, TestsNeedLocalDatabases
from sagaplatform.stack.layout import Layout, checkout
from sagaplatform.stack.lifecycle import Stack
from sagaplatform.stack.supervision import State
from sagaplatform.stack.terminal import complain, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit status; every error is a sentence on stderr."""
    options = _parser().parse_args(arguments)
    home = (options.home or options.project / ".local").resolve()
    layout = Layout(root=options.project.resolve(), home=home)
    terminal.prepare()
    signals.listen()
    try:
        layout.create()
        return int(options.run(Stack(layout, os.environ), options))
    except signals.Interrupted as interrupt:
        return 0 if options.command in ("up", "servers") else 128 + interrupt.number
    except StackError as failure:
        return _explain(str(failure), failure.tail)
    except OSError as failure:
        return _explain(_os_sentence(failure), [])
    except Exception:
        return _unexpected(layout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sagaplatform.stack", description=__doc__)
    parser.add_argument("--home", type=Path, help="where data and logs are kept (default: .local)")
    parser.add_argument("--project", type=Path, default=checkout(), help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function, text in (
        ("up", up, "start everything, stay in the foreground until Ctrl-C"),
        ("servers", servers, "start PostgreSQL and Kafka only, stay until Ctrl-C"),
        ("down", down, "stop everything, from any terminal"),
        ("clean", clean, "stop everything and remove its data"),
        ("status", status, "show the processes"),
        ("lock-kafka", lock_kafka, "resolve Kafka's jars anew and write their digests"),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(run=function)
    _add_run(commands)
    return parser


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "run a command with the servers it needs, then stop what was started for it"
    parser = commands.add_parser("run", help=text, description=text)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--platform", action="store_true", help="with the platform's processes too")
    kind.add_argument("--test", action="store_true", help="with the databases of the tests")
    kind.add_argument("--bare", action="store_true", help="without creating tables and topics")
    parser.add_argument(
        "--hasty",
        action="store_true",
        help="PostgreSQL does not wait for the disk: nothing is lost when processes die, "
        "all is when the machine does",
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND...")
    parser.set_defaults(run=run)


# --- the commands


def up(stack: Stack, options: argparse.Namespace) -> int:
    if (running := _running_up(stack)) is not None:
        return _tell_running(stack, running)
    say("Starting Sagaplatform")
    with lifecycle.using(stack, "up", platform=True) as others:
        if running := next((user for user in others if user.command == "up"), None):
            return _tell_running(stack, running)
        lifecycle.set_up(stack)
        logins = lifecycle.create_users(stack)
        lifecycle.start_platform(stack)
        _welcome(stack, logins)
        lifecycle.watch(stack)
    return 0


def servers(stack: Stack, options: argparse.Namespace) -> int:
    say("Starting the servers")
    with lifecycle.using(stack, "servers", platform=False):
        say(f"The servers run; their addresses are in {_shown(stack.layout.app_env)}.")
        say("Ctrl-C stops them.")
        lifecycle.watch(stack)
    return 0


def down(stack: Stack, options: argparse.Namespace) -> int:
    users = locks.present(stack.layout)
    for user in users:
        with terminal.step(f"stopping `{user.command}` (process {user.pid})"):
            os.kill(user.pid, signal.SIGTERM)
            _wait_for(stack, user)
    with signals.postponed(), locks.setup(stack.layout):
        if lifecycle.runs(stack):
            lifecycle.stop(stack)
        elif not users:
            say("Nothing runs.")
            return 0
    say("Stopped; the data are kept.")
    return 0


def clean(stack: Stack, options: argparse.Namespace) -> int:
    down(stack, options)
    for folder in (*postgres.data_folders(stack.layout), stack.layout.home):
        if folder.exists():
            shutil.rmtree(folder)
    return 0


def status(stack: Stack, options: argparse.Namespace) -> int:
    states = stack.supervisor.states()
    if not states:
        say("Nothing runs. `make up` starts everything.")
        return 0
    say(f"{'process':<16}{'state':<10}{'pid':>8}{'up':>10}{'memory':>10}")
    for state in states:
        say(_row(state))
    pid = stack.supervisor.pid()
    total = procfs.memory(procfs.family(pid)) if pid else 0
    say(f"{'all':<44}{total / 1e6:>7.0f} MB")
    for user in locks.present(stack.layout):
        say(f"in use by `{user.command}`, process {user.pid}")
    return 0


def run(stack: Stack, options: argparse.Namespace) -> int:
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        complain("Error: say which command to run: run [--platform | --test] -- COMMAND...")
        return 2
    if options.test:
        _refuse_foreign_databases(stack)
    stack.waits_for_disk = not options.hasty
    say("Starting what the command needs")
    with lifecycle.using(stack, "run", platform=options.platform):
        values = _prepare(stack, options)
        say()
        with lifecycle.watched(stack):
            return lifecycle.commands.run(words, values, stack.layout.root)


def lock_kafka(stack: Stack, options: argparse.Namespace) -> int:
    say(f"{jars.write_lock()} jars are in {_shown(jars.LOCK)}.")
    return 0


# --- their parts


def _prepare(stack: Stack, options: argparse.Namespace) -> dict[str, str]:
    """Set up what the command needs; returns its environment."""
    if options.test:
        lifecycle.set_up_tests(stack)
        return stack.testing()
    if not options.bare:
        lifecycle.set_up(stack)
    if options.platform:
        lifecycle.create_users(stack)
        lifecycle.start_platform(stack)
    return stack.run_time()


def _refuse_foreign_databases(stack: Stack) -> None:
    given = lifecycle.Given.of(stack.environ, stack.layout.home / "own.json")
    for variable in given.databases:
        raise TestsNeedLocalDatabases(variable=variable)


def _running_up(stack: Stack) -> locks.User | None:
    """Another `up` that is past its start."""
    states = stack.supervisor.states(lifecycle.PLATFORM)
    ready = any(state.name == "web" and state.alive for state in states)
    users = locks.present(stack.layout) if ready else []
    return next((user for user in users if user.command == "up"), None)


def _tell_running(stack: Stack, user: locks.User) -> int:
    stack.open()
    began = time.strftime("%H:%M", time.localtime(user.since))
    say(f"It runs already (process {user.pid}, since {began}): {_address(stack)}")
    say("`make down` stops it; `make status` shows its processes.")
    return 0


def _welcome(stack: Stack, logins: str) -> None:
    address = _address(stack)
    say()
    say(f"  Shop API  {address}/api/v1/orders   (docs/quickstart.md shows how to order)")
    say(f"  Admin     {address}/admin/")
    for each in stack.stand_ins:
        at = f"http://{ports.LOOPBACK}:{stack.ports[each.ports[0]]}"
        say(f"  {each.page.format(address=at)}")
    say(f"  Logs      {_shown(stack.layout.logs)}/   (`make status` shows the processes)")
    for line in logins.strip().splitlines():
        say(f"  {line}")
    say()
    say("Ctrl-C stops everything.")


def _address(stack: Stack) -> str:
    return f"http://{ports.LOOPBACK}:{stack.ports['web']}"


def _row(state: State) -> str:
    since = f"{int(time.time() - state.started)} s" if state.pid else "-"
    memory = procfs.memory(procfs.family(state.pid)) if state.pid else 0
    pid = state.pid or "-"
    return f"{state.name:<16}{state.state:<10}{pid:>8}{since:>10}{memory / 1e6:>7.0f} MB"


def _wait_for(stack: Stack, user: locks.User) -> None:
    """Give a command that was asked to stop the time to do so."""
    until = time.monotonic() + lifecycle.PATIENCE
    while user in locks.present(stack.layout) and time.monotonic() < until:
        time.sleep(0.1)


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


# --- errors


def _explain(sentence: str, tail: Sequence[str]) -> int:
    for line in tail:
        complain(f"    {line}")
    complain(f"\nError: {sentence}")
    return 1


def _os_sentence(failure: OSError) -> str:
    place = f": {failure.filename}" if failure.filename else ""
    advice = {
        errno.ENOSPC: "Make room on that disk, then run this again.",
        errno.EACCES: "It may belong to another user (made by root?): change its owner, or remove"
        " it.",
        errno.EROFS: "Give another place with --home.",
    }.get(failure.errno or 0, "Mend that, then run this again.")
    return f"{failure.strerror or failure}{place}. {advice}"


def _unexpected(layout: Layout) -> int:
    log = layout.log("stack-error")
    log.write_text(traceback.format_exc())
    last = traceback.format_exc().strip().splitlines()[-1]
    return _explain(
        f"Something unexpected happened ({last[:200]}). This is a bug of the stack; what is known"
        f" about it is in {log}. `make down` stops what may still run.",
        [],
    )
