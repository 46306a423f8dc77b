"""`python -m sandbox`: serve until SIGTERM."""

import argparse
import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import uvicorn

from sandbox.app import Settings, build
from sandbox.floods import Limits
from sandbox.polling import Polls
from sandbox.wire import CuttableProtocol

_STANDARD = set(vars(logging.makeLogRecord({})))


class JsonLines(logging.Formatter):
    """One JSON object a line, extra fields included."""

    def format(self, record: logging.LogRecord) -> str:
        extra = {n: v for n, v in vars(record).items() if n not in _STANDARD}
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        line = {"at": at, "level": record.levelname.lower(), "event": record.getMessage()}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({**line, **extra}, default=str)


class Server(uvicorn.Server):
    """Says when it is ready, and ends with status 0 when told to."""

    def __init__(self, config: uvicorn.Config, polls: Polls):
        super().__init__(config)
        self._polls = polls

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._polls.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A SIGTERM that was obeyed is no failure: do not raise it again at the end."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            url = f"http://{host}:{port}"
            logging.getLogger("sandbox").info("ready", extra={"url": url})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081, help="0 picks a free one")
    parser.add_argument("--state", default=":memory:", help="an SQLite file; kept over restarts")
    parser.add_argument("--no-floods", action="store_true", help="no flood limits")
    parser.add_argument(
        "--retry-base", type=float, default=1.0, help="scales the webhook's retry schedule"
    )
    return parser.parse_args()


def main() -> None:
    """Read the command line and serve."""
    arguments = _arguments()
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in ("httpx", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    limits = Limits(None, None, group_per_minute=None) if arguments.no_floods else Limits()
    settings = Settings(arguments.state, limits, arguments.retry_base)
    app = build(settings)
    config = uvicorn.Config(
        app,
        host=arguments.host,
        port=arguments.port,
        http=CuttableProtocol,
        loop="asyncio",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    asyncio.run(Server(config, app.state.polls).serve())


if __name__ == "__main__":
    main()
