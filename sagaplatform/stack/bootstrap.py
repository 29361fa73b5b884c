"""Make the virtual environment and install the locked packages: `python3 bootstrap.py [--tests]`.

Runs on whatever Python there is, before anything is installed: standard library only, and old
syntax, so that a Python that is too old can still say so. Done again only when a lock file, the
Python or the place has changed.
"""

import fcntl
import hashlib
import os
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
NEWER = ["python3.%d" % minor for minor in range(20, 10, -1)]
RUN = ["requirements.txt", "requirements-stack.txt"]
TESTS = [*RUN, "requirements-test.txt"]


def main(tests):
    require_python()
    if not os.path.isdir(os.path.dirname(LOG)):
        os.makedirs(os.path.dirname(LOG))
    with open(os.path.join(LOCAL, "bootstrap.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepare(tests)


def prepare(tests):
    """Bring .venv to what the lock files say, if it is not there yet."""
    wanted = {"run": mark(RUN), "tests": mark(TESTS)}
    have = installed()
    if have == wanted["tests"] or (have == wanted["run"] and not tests):
        return
    if not belongs_here():
        create()
    files = TESTS if tests or have != "" and have_tests() else RUN
    install(files)
    with open(stamp(), "w") as file:
        file.write(mark(files))


def require_python():
    """Go on with a Python that is new enough, or say what to do."""
    if sys.version_info >= OLDEST:
        return
    for name in NEWER:
        path = shutil.which(name)
        if path:
            os.execv(path, [path, os.path.abspath(__file__), *sys.argv[1:]])
    fail(
        "Python %d.%d or newer is needed, this is %s. Install one, or name it: "
        "`make up PYTHON=/path/to/python3.11`." % (*OLDEST, sys.version.split()[0])
    )


def mark(files):
    """What an installation of these files, for this Python and place, is known by."""
    seen = hashlib.sha256((VENV + sys.version).encode())
    for name in files:
        with open(os.path.join(ROOT, name), "rb") as file:
            seen.update(file.read())
    return seen.hexdigest()


def stamp():
    return os.path.join(VENV, ".installed")


def installed():
    if not os.path.exists(stamp()) or not os.access(PYTHON, os.X_OK):
        return ""
    with open(stamp()) as file:
        return file.read()


def have_tests():
    return os.path.exists(os.path.join(VENV, "bin", "pytest"))


def belongs_here():
    """Whether .venv works and was made in this place (a copied one has other paths in it)."""
    pip = os.path.join(VENV, "bin", "pip")
    if not os.access(PYTHON, os.X_OK) or not os.path.exists(pip):
        return False
    with open(pip, "rb") as file:
        if VENV.encode() not in file.read(1024):
            return False
    version = "import sys; sys.exit(sys.version_info < (%d, %d))" % OLDEST
    return subprocess.call([PYTHON, "-c", version]) == 0


def create():
    shutil.rmtree(VENV, ignore_errors=True)
    if run("virtual environment .venv", [sys.executable, "-m", "venv", VENV]):
        shutil.rmtree(VENV, ignore_errors=True)
        fail(
            "%s cannot make virtual environments (its words are above). On Debian or Ubuntu: "
            "`apt install python3-venv`; or name another one: "
            "`make up PYTHON=/path/to/python3.11`." % sys.executable
        )


def install(files):
    words = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    words += ["--progress-bar", "off", "--require-hashes"]
    for name in files:
        words += ["-r", os.path.join(ROOT, name)]
    if run("Python packages (%d)" % count(files), words):
        fail(
            "The Python packages could not be installed (pip's words are above, all of them in "
            "%s). Check the network or pip's configuration, then run this again." % LOG
        )


def count(files):
    names = set()
    for name in files:
        with open(os.path.join(ROOT, name)) as file:
            names.update(line.split("==")[0] for line in file if "==" in line)
    return len(names)


def run(text, words):
    """Run quietly as one line of progress; on failure show the end. Returns the exit status."""
    sys.stdout.write("  %s … " % text)
    sys.stdout.flush()
    began = time.time()
    with open(LOG, "wb") as log:
        status = subprocess.call(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    print("no" if status else "ok %.1f s" % (time.time() - began))
    if status:
        with open(LOG, "rb") as log:
            lines = log.read().decode("utf-8", "replace").splitlines()
        print("\n".join("    " + line for line in lines[-15:]))
    return status


def fail(sentence):
    sys.stderr.write("\nError: %s\n" % sentence)
    sys.exit(1)


if __name__ == "__main__":
    try:
        main("--tests" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as failure:
        fail("%s: %s. Mend that, then run this again." % (failure.strerror, failure.filename))
