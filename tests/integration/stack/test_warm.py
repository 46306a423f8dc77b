"""A process that a nursery forked is a process like any other."""

import os
import signal
import time
from pathlib import Path
from typing import IO

import pytest

from harness.sandboxes import CHANNEL, open_sandbox
from harness.warm import Warm, _nursery
from sandbox.client import SandboxError
from stack.process import Child


async def test_it_ends_with_its_status_and_has_variables_and_a_log_of_its_own(
    tmp_path: Path,
) -> None:
    for name in ("one", "two"):
        environment = {"FINGERPOST_CAMPAIGNS": f"/nowhere/{name}"}
        process = Warm(name, "scheduler", log=tmp_path / f"{name}.log", environment=environment)
        process.start()
        await process.ended(60)

        assert process.exit_status == 78
        assert process.tail().startswith(f"/nowhere/{name}: No such file")


class AtOnce(Warm):
    """It has ended, and nobody waits for it any more, when its id is told."""

    def _launch(self, log: IO[bytes]) -> Child:
        child = super()._launch(log)
        while child.poll() is None:
            time.sleep(0.01)
        return child


def test_one_that_ends_at_once_has_its_status_too(tmp_path: Path) -> None:
    process = AtOnce("at-once", "scheduler", "begin", log=tmp_path / "at-once.log")

    process.start()
    process.send(signal.SIGTERM)

    assert (process.running, process.exit_status) == (False, 2)


async def test_where_its_nursery_was_killed_another_one_forks(tmp_path: Path) -> None:
    nursery = _nursery("scheduler").process
    nursery.kill()
    nursery.wait()

    process = Warm("late", "scheduler", "begin", log=tmp_path / "late.log")
    process.start()
    await process.ended(60)

    assert process.exit_status == 2


async def test_it_is_killed_by_its_id_and_starts_again_with_nothing(tmp_path: Path) -> None:
    async with open_sandbox(tmp_path) as stage:
        before = stage.process.pid
        assert await stage.people.messages(CHANNEL) == []
        assert os.getsid(before) == before

        await stage.process.kill()
        assert (stage.process.running, stage.process.exit_status) == (False, -9)

        stage.process.start()
        await stage.process.answers(f"{stage.api}/control/healthz", 60)
        assert stage.process.running
        assert stage.process.pid != before
        with pytest.raises(SandboxError):
            await stage.people.messages(CHANNEL)
