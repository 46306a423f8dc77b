"""The health command says whether a service is alive, and why not."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from chassis.alive import main, problem
from stack.ports import free_port


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Answer `GET /healthz` with `status` on a port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_service_that_answers_is_alive() -> None:
    with answering(200) as port:
        assert problem(port) is None


def test_a_service_that_answers_otherwise_is_not() -> None:
    with answering(500) as port:
        assert problem(port) == f"port {port} answered 500"


def test_nothing_on_the_port_is_not_alive(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    monkeypatch.setattr("sys.argv", ["alive", str(port)])

    assert main() == 1
    assert capsys.readouterr().err.startswith(f"no answer on port {port}: ConnectionRefusedError")


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")

    with answering(200) as port:
        assert problem(port) is None
