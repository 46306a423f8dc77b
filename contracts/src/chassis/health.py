"""Liveness and readiness that mean it.

`/healthz` is answered by the event loop itself: a frozen loop gives no answer. `/readyz` is 200
only while every check passed within the last few seconds, and says which did not and why.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from chassis.logs import logger
from chassis.metrics import LOOP_LAG, PASSING, READY

Check = Callable[[], Awaitable[str | None]]
"""Returns when all is well, with a word on how where there is one; raises an exception whose text
says what is not."""

_PERIOD = 1.0
_PATIENCE = 2.0

log = logger(__name__)


@dataclass
class Health:
    """The checks of one process and how each went last."""

    service: str = "none"
    _checks: dict[str, Check] = field(default_factory=dict)
    _problems: dict[str, str] = field(default_factory=dict)
    _words: dict[str, str | None] = field(default_factory=dict)

    def add(self, name: str, check: Check) -> None:
        """Make readiness depend on `check`; it counts as failed until it was run."""
        self._checks[name] = check
        self._problems[name] = "not checked yet"
        PASSING.labels(self.service, name).set(0)

    async def watch(self) -> None:
        """Run all checks every second, for ever; log each change."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.gather(*(self._run(name) for name in self._checks))
            READY.labels(self.service).set(not self._problems)
            before = loop.time()
            await asyncio.sleep(_PERIOD)
            LOOP_LAG.observe(max(0.0, loop.time() - before - _PERIOD))

    async def _run(self, name: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                self._words[name] = await self._checks[name]()
        except Exception as error:  # noqa: BLE001  whatever a check raises is its answer
            problem = str(error) or type(error).__name__
            if self._problems.get(name) != problem:
                log.warning("not ready", check=name, problem=problem)
            self._problems[name] = problem
        else:
            if self._problems.pop(name, None):
                log.info("ready again", check=name)
        PASSING.labels(self.service, name).set(name not in self._problems)

    async def live(self, _: Request) -> Response:
        """Answer `GET /healthz`."""
        return PlainTextResponse("alive\n")

    async def ready(self, _: Request) -> Response:
        """Answer `GET /readyz`: 200 or 503, and the state of each check."""
        checks = {
            name: self._problems.get(name) or self._words.get(name) or "ok" for name in self._checks
        }
        status = 503 if self._problems else 200
        return JSONResponse({"ready": not self._problems, "checks": checks}, status_code=status)
