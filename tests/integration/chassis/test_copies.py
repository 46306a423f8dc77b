"""How many servers have the whole log, told by a service at three real ones of which one dies."""

import re
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from chaos.cluster import make_cluster
from harness.waiting import until
from harness.warm import Warm
from stack.ports import free_port


async def copies(url: str) -> tuple[int, int]:
    """Return how many servers have the log, and how many are to."""
    async with httpx.AsyncClient(timeout=5) as client:
        page = (await client.get(f"{url}/metrics")).text
    found = dict(re.findall(r"^fingerpost_log_(copies(?:_wanted)?) (\d+)", page, re.MULTILINE))
    return int(found["copies"]), int(found["copies_wanted"])


@pytest.mark.timeout(180)
async def test_a_server_that_died_is_missed_until_it_is_back(tmp_path: Path) -> None:
    servers, port = make_cluster(tmp_path, tmp_path), free_port()
    service = Warm(
        "scheduler",
        "scheduler",
        log=tmp_path / "scheduler.log",
        environment={
            "NATS_URL": ",".join(server.url for server in servers),
            "FINGERPOST_LOG_REPLICAS": "3",
            "FINGERPOST_CAMPAIGNS": "",
            "FINGERPOST_HTTP_PORT": str(port),
        },
    )
    look = partial(copies, f"http://127.0.0.1:{port}")
    async with AsyncExitStack() as ending:
        for server in servers:
            ending.push_async_callback(server.member.process.kill)
            await server.member.begin()
        ending.push_async_callback(service.kill)
        service.start()
        await service.answers(f"http://127.0.0.1:{port}/readyz", 90)
        await until(look, lambda seen: seen == (3, 3), seconds=60)

        await servers[1].member.process.kill()
        await until(look, lambda seen: seen == (2, 3), seconds=60)

        await servers[1].member.begin()
        await until(look, lambda seen: seen == (3, 3), seconds=60)
