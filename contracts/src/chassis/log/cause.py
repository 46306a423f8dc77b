"""Which event is being handled: it is the cause of what is published meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from chassis.logs import correlated
from contracts.envelope import Envelope

_cause: ContextVar[Envelope | None] = ContextVar("cause", default=None)


@contextmanager
def handling(envelope: Envelope) -> Iterator[None]:
    """Make `envelope` the cause of all that is published, and the correlation of all logged."""
    token = _cause.set(envelope)
    try:
        with correlated(envelope.correlationid):
            yield
    finally:
        _cause.reset(token)


def current() -> Envelope | None:
    """Return the event that is being handled, if any."""
    return _cause.get()
