"""`python with_env.py FILE COMMAND...`: become COMMAND, with the variables of an env file set.

So the supervisor's configuration holds no password, and a restart reads what the file says now.
"""

import os
import string
import sys
from pathlib import Path


def main(file: str, *command: str) -> None:
    lines = (line for line in Path(file).read_text().splitlines() if "=" in line)
    environ = {**os.environ, **dict(line.split("=", 1) for line in lines)}
    folder = str(Path(sys.executable).parent)
    environ["PATH"] = os.pathsep.join([folder, environ.get("PATH", os.defpath)])
    words = [string.Template(word).safe_substitute(environ) for word in command]
    os.execvpe(words[0], words, environ)  # noqa: S606 - becoming another program is the purpose


if __name__ == "__main__":
    main(*sys.argv[1:])
