"""stripe-mock, Stripe's own validator of requests, and the specification that it was built with."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = "v0.203.0"
MODULE = "github.com/stripe/stripe-mock"
BUILT = ROOT / ".local" / "stripe-mock" / VERSION
BUILD_SECONDS = 240


def executable() -> Path:
    """stripe-mock, built once. Skips the test where Go is missing or cannot build it."""
    built = BUILT / "stripe-mock"
    if not built.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        go("install", f"{MODULE}@{VERSION}", GOBIN=str(BUILT))
    return built


def specification() -> Path:
    """Stripe's OpenAPI specification, from the source of that version."""
    executable()
    downloaded = json.loads(go("mod", "download", "-json", f"{MODULE}@{VERSION}"))
    return Path(downloaded["Dir"]) / "embedded" / "openapi" / "spec3.json"


def go(*arguments: str, **environment: str) -> str:
    command = shutil.which("go")
    if command is None:
        pytest.skip("Go is not installed, so stripe-mock cannot be built (https://go.dev/dl)")
    try:
        return subprocess.run(
            [command, *arguments],
            cwd="/",  # outside of any module
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=True,
        ).stdout
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        told = str(error.stderr or "").strip().splitlines()
        pytest.skip(f"stripe-mock cannot be built here: {error}: {told[-1] if told else ''}")


@contextmanager
def running() -> Iterator[str]:
    """A stripe-mock at a free port; gives its address."""
    free = "127.0.0.1:"  # it would listen for HTTPS on all addresses otherwise
    process = subprocess.Popen(
        [executable(), "-http-addr", free, "-https-addr", free], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Listening for HTTP at address:" in line:
                yield f"http://{line.split()[-1]}"
                return
        pytest.fail(f"stripe-mock ended with code {process.wait()}")
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


@functools.cache
def schemas() -> dict[str, Any]:
    """The specification as JSON Schema, in which what OpenAPI calls nullable may be null."""
    with specification().open() as file:
        components = json.load(file)["components"]
    return {"components": {"schemas": with_null(components["schemas"])}}


def with_null(node: Any) -> Any:
    if isinstance(node, list):
        return [with_null(each) for each in node]
    if not isinstance(node, dict):
        return node
    inner = {name: with_null(value) for name, value in node.items()}
    if inner.get("nullable") is True:
        del inner["nullable"]
        return {"anyOf": [{"type": "null"}, inner]}
    return inner
