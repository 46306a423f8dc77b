"""Schedulers as tests run them: within the process, or as processes of their own."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import yaml

from chassis.clock import Clock, utc_now
from chassis.log import Publisher
from chassis.log_clock import LogClock
from contracts.campaign import Campaign
from harness import waiting
from harness.logs import Log
from harness.warm import Warm
from scheduler.catalogue import Catalogue
from scheduler.clock_watch import ClockWatch
from scheduler.keeper import Keeper, PlanPendingError
from scheduler.plan_file import PlanFile
from scheduler.planner import Planner
from scheduler.ticker import Ticker
from stack.ports import free_port


@asynccontextmanager
async def ticking(
    log: Log,
    plan: Sequence[Campaign] | None,
    clock: Clock = utc_now,
    *,
    file: PlanFile | None = None,
    actor: str = "test",
) -> AsyncIterator[Keeper]:
    """Run one replica within this process, by a clock that it does not compare with the log's."""
    catalogue = Catalogue()
    unasked = LogClock(clock)
    watch = ClockWatch(unasked)
    keeper = Keeper(file, plan, Planner(catalogue, clock, actor=actor), catalogue, watch)
    ticker = Ticker(catalogue, unasked, watch)
    publisher = Publisher(log.js, source="scheduler", clock=clock)

    async def run() -> None:
        await keeper.begin(log.reader, publisher)
        async with asyncio.TaskGroup() as group:
            group.create_task(keeper.run(log.reader, publisher))
            group.create_task(ticker.run(log.reader, publisher))

    task = asyncio.create_task(run())
    try:
        yield keeper
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def applied(keeper: Keeper) -> None:
    """Wait until the replica's plan is in the log."""

    async def problem() -> str:
        try:
            await keeper.check()
        except PlanPendingError as error:
            return str(error)
        return ""

    await waiting.until(problem, lambda said: not said)


class Replica:
    """One `python -m scheduler`, with `plan` as the text of its campaign file."""

    def __init__(self, folder: Path, name: str, nats_url: str, plan: str) -> None:
        path = folder / "plan.yaml"
        path.write_text(plan)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = Warm(
            name,
            "scheduler",
            log=folder / f"{name}.log",
            environment={
                **os.environ,
                "NATS_URL": nats_url,
                "FINGERPOST_CAMPAIGNS": str(path),
                "FINGERPOST_HTTP_PORT": str(port),
                "FINGERPOST_INSTANCE": name,
            },
        )

    async def __aenter__(self) -> "Replica":
        self.process.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.process.kill()

    async def ready(self) -> None:
        """Wait until it says that it is ready."""
        await self.process.answers(f"{self.url}/readyz", 60)

    async def problems(self) -> dict[str, str]:
        """Return what readiness says is wrong."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self.url}/readyz")
        checks = answer.json()["checks"]
        problems = {name: said for name, said in checks.items() if said != "ok"}
        assert answer.status_code == (503 if problems else 200)
        return problems

    async def events(self) -> list[str]:
        """Return what it logged."""
        lines = self.process.tail(50).splitlines()
        return [json.loads(line)["event"] for line in lines if line.endswith("}")]


def written(*plans: Campaign) -> str:
    """Return `plans` as a campaign file."""
    fields = [plan.model_dump(mode="json", exclude_defaults=True) for plan in plans]
    return yaml.safe_dump({"campaigns": fields})
