"""A stand-in for the web pages."""

from collections.abc import Callable, Iterable


def application(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"alive"]
