"""Time passes at once: what a test says of it holds however slow the machine is."""

from collections.abc import Mapping

from harness.passing import PassingTime


def pytest_asyncio_loop_factories() -> Mapping[str, type[PassingTime]]:
    """Run the tests of this folder in such an event loop."""
    return {"passing": PassingTime}
