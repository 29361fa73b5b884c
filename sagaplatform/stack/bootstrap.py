"""Make the virtual environment and install the locked packages: `python3 bootstrap.py [--tests]`.

Runs on whatever Python 3 there is, before anything is installed: standard library only, and syntax
of Python 3.6, so that one that is too old can still say so. Done again only when a lock file, the
Python or the place has changed.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
LOCAL = os.path.join(ROOT, ".local")
LOG = os.path.join(LOCAL, "log", "bootstrap.log")
OLDEST = (3, 11)
NEWER = [f"python3.{minor}" for minor in range(20, 10, -1)]
RUN = ["requirements.txt", "requirements-stack.txt"]
TESTS = [*RUN, "requirements-test.txt"]


def main(tests: bool) -> None:
    require_python()
    if not os.path.isdir(os.path.dirname(LOG)):
        os.makedirs(os.path.dirname(LOG))
    with open(os.path.join(LOCAL, "bootstrap.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepare(tests)


def prepare(tests: bool) -> None:
    """Bring .venv to what the lock files say, if it is not there yet."""
    wanted = {"run": mark(RUN), "tests": mark(TESTS)}
    have = installed()
    if have == wanted["tests"] or (have == wanted["run"] and not tests):
        return
    if not belongs_here():
        create()
    files = TESTS if tests or (have != "" and have_tests()) else RUN
    install(files)
    with open(stamp(), "w") as file:
        file.write(mark(files))


def require_python() -> None:
    """Go on with a Python that is new enough, or say what to do."""
    if sys.version_info >= OLDEST:
        return
    for name in NEWER:
        path = shutil.which(name)
        if path and works(path):
            os.execv(path, [path, os.path.abspath(__file__), *sys.argv[1:]])  # noqa: S606
    fail(
        f"Python 3.11 or newer is needed, this is {platform.python_version()}. Install one, or "
        "name it: `make up PYTHON=/path/to/python3.11`."
    )


def works(path: str) -> bool:
    """Whether it really runs (pyenv has stand-ins for Pythons that are not active)."""
    quiet = subprocess.DEVNULL
    return subprocess.call([path, "-c", "import venv"], stdout=quiet, stderr=quiet) == 0


def mark(files: list) -> str:
    """What an installation of these files, for this Python and place, is known by."""
    seen = hashlib.sha256((VENV + sys.version).encode())
    for name in files:
        with open(os.path.join(ROOT, name), "rb") as file:
            seen.update(file.read())
    return seen.hexdigest()


def stamp() -> str:
    return os.path.join(VENV, ".installed")


def installed() -> str:
    if not os.path.exists(stamp()) or not os.access(PYTHON, os.X_OK):
        return ""
    with open(stamp()) as file:
        return file.read()


def have_tests() -> bool:
    return os.path.exists(os.path.join(VENV, "bin", "pytest"))


def belongs_here() -> bool:
    """Whether .venv works and was made in this place (a copied one has other paths in it)."""
    pip = os.path.join(VENV, "bin", "pip")
    if not os.access(PYTHON, os.X_OK) or not os.path.exists(pip):
        return False
    with open(pip, "rb") as file:
        if VENV.encode() not in file.read(1024):
            return False
    version = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    return subprocess.call([PYTHON, "-c", version]) == 0


def create() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    if run("virtual environment .venv", [sys.executable, "-m", "venv", VENV]):
        shutil.rmtree(VENV, ignore_errors=True)
        fail(
            f"{sys.executable} cannot make virtual environments (its words are above). On Debian "
            "or Ubuntu: `apt install python3-venv`; or name another one: "
            "`make up PYTHON=/path/to/python3.11`."
        )


def install(files: list) -> None:
    words = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    words += ["--progress-bar", "off", "--require-hashes"]
    for name in files:
        words += ["-r", os.path.join(ROOT, name)]
    if run(f"Python packages ({count(files)})", words):
        fail(
            "The Python packages could not be installed (pip's words are above, all of them in "
            f"{LOG}). Check the network or pip's configuration, then run this again."
        )


def count(files: list) -> int:
    names = set()  # type: set
    for name in files:
        with open(os.path.join(ROOT, name)) as file:
            names.update(line.split("==")[0] for line in file if "==" in line)
    return len(names)


def run(text: str, words: list) -> int:
    """Run quietly as one line of progress; on failure show the end. Returns the exit status."""
    sys.stdout.write(f"  {text} ... ")
    sys.stdout.flush()
    began = time.time()
    with open(LOG, "wb") as log:
        status = subprocess.call(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    print("no" if status else f"ok {time.time() - began:.1f} s")
    if status:
        with open(LOG, "rb") as log:
            lines = log.read().decode("utf-8", "replace").splitlines()
        print("\n".join("    " + line for line in lines[-15:]))
    return status


def fail(sentence: str) -> None:
    sys.stderr.write(f"\nError: {sentence}\n")
    sys.exit(1)


if __name__ == "__main__":
    try:
        main("--tests" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as failure:
        fail(f"{failure.strerror}: {failure.filename}. Mend that, then run this again.")
