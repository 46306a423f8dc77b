"""Structured JSON logs on standard output, one line an event, with the correlation id."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


def configure(service: str, instance: str, level: str) -> None:
    """Send this process's logs, the libraries' included, to standard output as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        # First of all what is not logged is dropped: some of it is said for every event.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # httpx logs each request's URL at info: with the Bot API that is a line with the token in it.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service, instance=instance)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of one module."""
    log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return log


def detailed() -> bool:
    """Whether to log what happens with every single event, which is much."""
    return logging.getLogger().isEnabledFor(logging.DEBUG)


@contextmanager
def correlated(correlation_id: str) -> Iterator[None]:
    """Put `correlation_id` on every line logged within."""
    with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
        yield
