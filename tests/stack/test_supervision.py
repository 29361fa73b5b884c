"""Talking with a supervisord that does not want to, or cannot."""

import threading
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import UnixStreamServer
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import pytest

from sagaplatform.stack.layout import Layout
from sagaplatform.stack.supervision import Supervisor, socket_path

SHUTDOWN_STATE, BAD_NAME = 6, 10  # of supervisor.xmlrpc.Faults


class Handler(SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False  # there is none in a Unix socket

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


class Stub(UnixStreamServer, SimpleXMLRPCDispatcher):
    """What answers in place of supervisord."""

    def __init__(self, path: Path) -> None:
        SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        UnixStreamServer.__init__(self, str(path), Handler)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(root=tmp_path, home=tmp_path)


@contextmanager
def answering(layout: Layout, **methods: Callable[..., object]) -> Iterator[Supervisor]:
    with Stub(socket_path(layout)) as stub:
        for name, method in methods.items():
            stub.register_function(method, f"supervisor.{name}")
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Supervisor(layout)
        finally:
            stub.shutdown()
            thread.join()


def refuses(code: int) -> Callable[..., object]:
    def method(*arguments: object) -> object:
        raise xmlrpc.client.Fault(code, "no")

    return method


def test_it_answers(layout: Layout) -> None:
    with answering(layout, getPID=lambda: 4711) as supervisor:
        assert supervisor.pid() == 4711


def test_one_that_shuts_down_does_not_run_any_more(layout: Layout) -> None:
    no = refuses(SHUTDOWN_STATE)
    with answering(layout, getPID=no, getAllProcessInfo=no) as supervisor:
        assert supervisor.pid() is None
        assert supervisor.states() == []


def test_any_other_refusal_is_an_error(layout: Layout) -> None:
    with (
        answering(layout, getAllProcessInfo=refuses(BAD_NAME)) as supervisor,
        pytest.raises(xmlrpc.client.Fault),
    ):
        supervisor.states()


def test_one_that_dies_in_the_middle_of_a_word_does_not_run(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Stub._marshaled_dispatch
    monkeypatch.setattr(Stub, "_marshaled_dispatch", lambda *given: whole(*given)[:60])
    with answering(layout, getPID=lambda: 4711) as supervisor:
        assert supervisor.pid() is None
