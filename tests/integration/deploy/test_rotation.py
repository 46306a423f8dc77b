"""A password of NATS is changed as deploy/runbook.md says: who has the old one ends."""

import os
import sys
from pathlib import Path

import pytest

from chassis.settings import PREFIX
from harness.secured import AUTHORIZATION, PASSWORDS, USERS, secured_nats
from stack.nats_server import NatsServer
from stack.ports import free_port
from stack.process import Process

NEW = "another-password-of-scheduler"


def scheduler(folder: Path, port: int, url: str) -> Process:
    environment = {
        **os.environ,
        "NATS_URL": url,
        f"{PREFIX}PROVISION": "false",
        f"{PREFIX}CAMPAIGNS": "",
        f"{PREFIX}HTTP_PORT": str(port),
    }
    log = folder / f"{port}.log"
    return Process(
        "scheduler", [sys.executable, "-m", "scheduler"], log=log, environment=environment
    )


@pytest.mark.timeout(180)
async def test_a_changed_password_of_nats_ends_a_service_until_it_is_told(tmp_path: Path) -> None:
    async with secured_nats(tmp_path) as nats:
        old, port, later = nats.url("scheduler"), free_port(), free_port()
        service = scheduler(tmp_path, port, old)
        again = scheduler(tmp_path, later, old.replace(PASSWORDS["scheduler"], NEW))
        passwords = {**PASSWORDS, "scheduler": NEW}
        changed = NatsServer(
            tmp_path / "nats",
            port=int(old.rsplit(":", 1)[1]),
            monitor_port=free_port(),
            include=AUTHORIZATION,
            environment={f"NATS_PASSWORD_{user.upper()}": passwords[user] for user in USERS},
        )
        try:
            service.start()
            await service.answers(f"http://127.0.0.1:{port}/readyz", 60)

            await nats.server.process.stop()
            await changed.start()
            await service.ended(60)
            again.start()
            await again.answers(f"http://127.0.0.1:{later}/readyz", 60)
            await again.stop()
        finally:
            for process in (service, again, changed.process):
                await process.kill()

    assert service.exit_status == 1
    assert "check NATS_URL and its credentials" in service.tail(30)
    assert again.exit_status == 0
