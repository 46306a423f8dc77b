"""Which event is being handled: it is the cause of what is published meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from chassis import tracing
from chassis.logs import correlated
from contracts.envelope import Envelope

_cause: ContextVar[Envelope | None] = ContextVar("cause", default=None)


@contextmanager
def handling(envelope: Envelope, headers: tracing.Headers | None = None) -> Iterator[None]:
    """Make `envelope` the cause of all that is published, and the correlation of all logged.

    `headers` are those of its message: a trace goes on from there.
    """
    token = _cause.set(envelope)
    traced = tracing.span(
        f"handle {envelope.type}",
        kind="consumer",
        correlation=envelope.correlationid,
        after=headers,
        attributes={tracing.SUBJECT: envelope.subject},
    )
    try:
        with correlated(envelope.correlationid), traced:
            yield
    finally:
        _cause.reset(token)


def current() -> Envelope | None:
    """Return the event that is being handled, if any."""
    return _cause.get()
