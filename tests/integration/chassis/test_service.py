"""A service as a real process: what it answers, and how it begins, suffers and ends."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.streams import EVENTS
from harness.servers import connected, embedded_nats
from harness.waiting import until
from stack.nats_server import NatsServer
from stack.ports import free_port
from stack.process import Process

SCRIPT = """
import asyncio, sys
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from chassis.logs import logger
from chassis.service import Service
from chassis.settings import ServiceSettings, load
from contracts.streams import SENDER_GUIDE

async def slow(_):
    logger("probe").info("slow request accepted")
    await asyncio.sleep(1)
    return PlainTextResponse("finished")

async def part(connection):
    if "fail" in sys.argv:
        raise RuntimeError("the part broke")
    if "end" in sys.argv:
        return
    await asyncio.Event().wait()

service = Service(
    "probe", load(ServiceSettings), routes=[Route("/slow", slow)], consumers=[SENDER_GUIDE]
)
service.add(part)
sys.exit(service.run())
"""


CONSUMER_GONE = ("consumer sender-guide", "the consumer was gone; it was created anew")


class Probe:
    """The tiny service above, and a client to ask it."""

    def __init__(self, folder: Path, nats_url: str, *arguments: str, port: int = 0) -> None:
        script = folder / "probe.py"
        script.write_text(SCRIPT)
        self.url = f"http://127.0.0.1:{port or free_port()}"
        self.process = Process(
            "probe",
            [sys.executable, script, *arguments],
            log=folder / "probe.log",
            environment={
                **os.environ,
                "NATS_URL": nats_url,
                "FINGERPOST_HTTP_PORT": self.url.rpartition(":")[2],
            },
        )

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=20) as client:
            return await client.get(self.url + path)

    async def is_ready(self, seconds: float = 60) -> None:
        await self.process.answers(f"{self.url}/readyz", seconds)

    async def is_not_ready(self, check: str, problem: str, seconds: float = 30) -> None:
        """Wait until readiness says that `check` fails with `problem`."""
        said: object = None
        async with asyncio.timeout(seconds):
            while True:
                answer = await self.get("/readyz")
                said = answer.json()["checks"].get(check, "")
                if answer.status_code == 503 and problem in str(said):
                    return
                await asyncio.sleep(0.05)

    async def logged(self) -> list[object]:
        """Return the events that were logged until now."""
        return [line["event"] for line in self._whole_lines()]

    async def problems(self) -> list[tuple[object, object]]:
        """Return what readiness found wrong until now: the check, and its problem."""
        found = [line for line in self._whole_lines() if line["event"] == "not ready"]
        return [(line["check"], line["problem"]) for line in found]

    def _whole_lines(self) -> list[dict[str, object]]:
        lines = [line for line in self.process.tail(200).splitlines() if line.endswith("}")]
        return [json.loads(line) for line in lines]

    def log_lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.process.tail(200).splitlines()]


@asynccontextmanager
async def probing(folder: Path, nats_url: str, *arguments: str) -> AsyncIterator[Probe]:
    probe = Probe(folder, nats_url, *arguments)
    probe.process.start()
    try:
        yield probe
    finally:
        await probe.process.kill()


@asynccontextmanager
async def own_nats(folder: Path) -> AsyncIterator[NatsServer]:
    """Yield a server that is not started yet and that the test may stop, freeze and kill."""
    server = embedded_nats(folder)
    try:
        yield server
    finally:
        if server.process.running:
            server.process.send(signal.SIGCONT)
        await server.process.kill()


async def test_a_service_answers_and_ends_when_asked(nats_url: str, tmp_path: Path) -> None:
    async with probing(tmp_path, nats_url) as probe:
        await probe.is_ready()
        health, metrics = await probe.get("/healthz"), await probe.get("/metrics")
        # Once it was ready: a slow machine's next check may fail.
        ready = await until(lambda: probe.get("/readyz"), lambda answer: answer.is_success)
        running = asyncio.create_task(probe.get("/slow"))
        await until(probe.logged, lambda events: "slow request accepted" in events)
        probe.process.send(signal.SIGTERM)
        finished = await running
        # Who would wait for a part, or for a handler, waits 20 s.
        await probe.process.ended(15)
        lines = probe.log_lines()

    families = {family.name for family in text_string_to_metric_families(metrics.text)}
    assert health.text == "alive\n"
    assert ready.json() == {
        "ready": True,
        "checks": {"nats": "ok", "consumer sender-guide": "ok"},
    }
    assert {"fingerpost_log_published", "fingerpost_event_loop_lag_seconds"} <= families
    assert (finished.status_code, finished.text) == (200, "finished")
    assert probe.process.exit_status == 0
    assert lines[0]["event"] == "starting"
    assert lines[-1]["event"] == "stopped"
    assert {line["service"] for line in lines} == {"probe"}


async def test_a_service_waits_for_nats_says_so_and_recovers(tmp_path: Path) -> None:
    async with own_nats(tmp_path) as server, probing(tmp_path, server.url) as probe:
        await probe.process.answers(f"{probe.url}/healthz", 60)
        await probe.is_not_ready("nats", "NATS is not connected")

        await server.start()
        await probe.is_ready()

        await server.process.kill()
        await probe.is_not_ready("nats", "NATS is not connected")
        assert (await probe.get("/healthz")).status_code == 200

        await server.start()
        await probe.is_ready()
        events = await until(probe.logged, lambda events: "NATS reconnected" in events)

    assert "NATS error" in events
    assert events.index("NATS disconnected; will reconnect") < events.index("NATS reconnected")


async def test_a_frozen_nats_makes_a_service_unready_although_it_is_connected(
    tmp_path: Path,
) -> None:
    async with own_nats(tmp_path) as server:
        await server.start()
        async with probing(tmp_path, server.url) as probe:
            await probe.is_ready()

            server.process.send(signal.SIGSTOP)
            await probe.is_not_ready("nats", "timeout")

            server.process.send(signal.SIGCONT)
            await probe.is_ready()


async def test_a_service_brings_its_consumer_back_and_is_unready_without_the_log(
    nats_url: str, tmp_path: Path
) -> None:
    async with probing(tmp_path, nats_url) as probe, connected(nats_url) as client:
        await probe.is_ready()
        written = (await client.jetstream().stream_info(EVENTS.name)).state.messages

        await client.jetstream().delete_consumer(EVENTS.name, "sender-guide")
        await until(probe.problems, lambda said: CONSUMER_GONE in said)
        await probe.is_ready()
        await client.jetstream().consumer_info(EVENTS.name, "sender-guide")

        await client.jetstream().delete_stream(EVENTS.name)
        await probe.is_not_ready("nats", "stream not found")

    assert written == 0, "the readiness check must write nothing"


@pytest.mark.parametrize(("argument", "problem"), [("fail", "broke"), ("end", "ended by itself")])
async def test_a_part_that_fails_or_ends_ends_the_process(
    argument: str, problem: str, nats_url: str, tmp_path: Path
) -> None:
    async with probing(tmp_path, nats_url, argument) as probe:
        await probe.process.ended(60)
        critical = [line for line in probe.log_lines() if line["level"] == "critical"]

    assert probe.process.exit_status == 1
    assert len(critical) == 1
    assert problem in str(critical[0]["exception"])


async def test_a_service_ends_in_time_while_nats_is_away(tmp_path: Path) -> None:
    async with own_nats(tmp_path) as server:
        await server.start()
        async with probing(tmp_path, server.url) as probe:
            await probe.is_ready()
            await server.process.kill()
            await probe.is_not_ready("nats", "not connected")
            probe.process.send(signal.SIGTERM)
            await probe.process.ended(15)

    assert probe.process.exit_status == 0


async def test_a_port_that_is_taken_is_told_with_its_setting(nats_url: str, tmp_path: Path) -> None:
    port = int(nats_url.rpartition(":")[2])
    probe = Probe(tmp_path, nats_url, port=port)
    probe.process.start()
    await probe.process.ended(60)

    assert probe.process.exit_status == 1
    assert "set FINGERPOST_HTTP_PORT to a free port" in probe.process.tail()
    assert "Traceback" not in probe.process.tail()
