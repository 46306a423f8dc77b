"""Makes a cancellation be heard that a library swallowed."""

import asyncio


def heed_cancellation() -> None:
    """Raise CancelledError where this task was asked to stop; for the top of a loop.

    nats-py waits by `asyncio.wait_for`, which on Python 3.11 swallows a cancellation that comes
    together with the answer: without this the process would not end on SIGTERM.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
