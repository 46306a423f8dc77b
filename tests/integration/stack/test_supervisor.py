"""`make run`: what died is started again and told, and no secret is printed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from harness.waiting import until
from stack import supervisor
from stack.__main__ import options
from stack.local import SERVICES, LocalStack, Options
from stack.process import Process, StartError
from stack.supervisor import masked, supervise

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
ADDRESSES = {"NATS_URL": "nats://me:hush@nats:4222", "POSTGRES_DSN": "postgresql://me:hush@pg/db"}


class TwoSleepers(LocalStack):
    """A stack of two processes that sleep; `starts` replaces how one of them is started."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Options(folder=folder, environment=ADDRESSES))
        self.sleepers = [Process(name, SLEEP, log=folder / f"{name}.log") for name in ("a", "b")]
        self.starts: dict[str, Callable[[], Awaitable[None]]] = {}

    @property
    def starters(self) -> Mapping[Process, Callable[[], Awaitable[None]]]:
        return {process: self.starter(process) for process in self.sleepers}

    def starter(self, process: Process) -> Callable[[], Awaitable[None]]:
        async def start() -> None:
            if process.name in self.starts:
                await self.starts[process.name]()
            process.start()

        return start

    async def start(self) -> None:
        for process in self.sleepers:
            process.start()

    async def stop(self) -> None:
        for process in self.sleepers:
            await process.kill()

    async def kill(self) -> list[int]:
        """Kill both; return their process ids."""
        killed = [process.pid for process in self.sleepers]
        for process in self.sleepers:
            await process.kill()
        return killed

    async def pids(self) -> list[int]:
        """Return the process ids of those that run."""
        return [process.pid for process in self.sleepers if process.running]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_FIRST_PAUSE", 0.05)


@asynccontextmanager
async def supervised(stack: TwoSleepers) -> AsyncIterator["asyncio.Task[int]"]:
    """Run the stack, and end the run as Ctrl-C does where it did not end by itself."""
    run = asyncio.create_task(supervise(stack))
    try:
        await until(stack.pids, lambda running: len(running) == 2)
        await until(welcomed(stack), bool)
        yield run
        if not run.done():
            os.kill(os.getpid(), signal.SIGTERM)
            assert await run == 0
        assert await stack.pids() == []
    finally:
        run.cancel()
        await stack.stop()


def welcomed(stack: LocalStack) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return (stack.options.folder / "endpoints.json").exists()

    return look


async def test_every_process_that_died_is_started_again_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = TwoSleepers(tmp_path)

    async with supervised(stack):
        killed = await stack.kill()
        await until(stack.pids, lambda running: len(running) == 2)

    told = capsys.readouterr().out
    assert not {*killed} & {process.pid for process in stack.sleepers}
    for name in ("a", "b"):
        assert f"{name} ended with status -9; see {name}.log; starting it again" in told


async def test_one_process_that_does_not_come_back_delays_no_other(tmp_path: Path) -> None:
    stack = TwoSleepers(tmp_path)
    stack.starts["a"] = cast("Callable[[], Awaitable[None]]", asyncio.Event().wait)

    async with supervised(stack):
        await stack.kill()
        await until(stack.pids, bool)

        assert not stack.sleepers[0].running


async def test_a_process_that_does_not_become_ready_is_told_and_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = TwoSleepers(tmp_path)

    async def fail_once() -> None:
        del stack.starts["a"]
        raise StartError("a was not ready")

    stack.starts["a"] = fail_once
    async with supervised(stack):
        await stack.kill()
        await until(stack.pids, lambda running: len(running) == 2)

    assert "a was not ready" in capsys.readouterr().out


async def test_an_error_in_keeping_ends_the_run_with_it(tmp_path: Path) -> None:
    stack = TwoSleepers(tmp_path)

    async def fail() -> None:
        raise FileNotFoundError("the program is gone")

    stack.starts["a"] = fail
    async with supervised(stack) as run:
        await stack.kill()
        with pytest.raises(FileNotFoundError, match="the program is gone"):
            async with asyncio.timeout(20):
                await run


async def test_servers_and_sandbox_are_kept_and_come_back_after_a_crash(tmp_path: Path) -> None:
    ours = {n: v for n, v in os.environ.items() if n not in {*ADDRESSES, "TELEGRAM_BOT_TOKEN"}}
    stack = LocalStack(Options(folder=tmp_path, environment=ours))
    starters = {process.name: (process, start) for process, start in stack.starters.items()}
    foundations = [starters.pop(name) for name in ("nats", "postgres", "sandbox")]

    try:
        for process, start in foundations:
            await start()
            await process.kill()
            await start()
            assert process.running
    finally:
        await stack.stop()
        if stack.postgres:
            stack.postgres.remove()

    assert tuple(starters) == SERVICES


async def test_the_terminal_shows_no_password_and_the_file_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with supervised(TwoSleepers(tmp_path)):
        pass

    told, file = capsys.readouterr().out, tmp_path / "endpoints.json"
    assert "nats://me:***@nats:4222" in told
    assert "postgresql://me:***@pg/db" in told
    assert "hush" not in told
    assert "hush" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("addresses", "shown"),
    [
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
        (
            "nats://a:hush@n1:4222,nats://b:hush@n2:4222",
            "nats://a:***@n1:4222,nats://b:***@n2:4222",
        ),
        ("nats://hush@n1", "nats://***@n1"),
        ("a:hush@n1:4222", "a:***@n1:4222"),
        ("postgresql://a:hu,s%40h@pg:5432/db", "postgresql://a:***@pg:5432/db"),
        ("postgresql://a:hu@sh@pg/db", "postgresql://a:***@pg/db"),
        (
            "postgresql://pg/db?user=a&password=hush&x=1",
            "postgresql://pg/db?user=a&password=***&x=1",
        ),
    ],
)
def test_secrets_in_addresses_are_masked(addresses: str, shown: str) -> None:
    assert masked(addresses) == shown


def test_a_real_bot_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN", raising=False)
    sandbox = options("15s").folder
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "123456789:AAE")

    assert options("15s").folder == sandbox / "live"
    assert options("15s").live
