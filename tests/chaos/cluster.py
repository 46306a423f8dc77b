"""Three real nats-servers as one cluster; what they acknowledged is on two disks at least."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from chaos.members import Member
from stack.nats_server import binary
from stack.ports import free_port
from stack.process import Process, StartError

SIZE = 3
_START_SECONDS = 30
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Server:
    """One server of the cluster."""

    member: Member
    port: int
    monitor: str

    @property
    def url(self) -> str:
        """Where clients connect, without a proxy between."""
        return f"nats://127.0.0.1:{self.port}"

    async def healthy(self) -> bool:
        """Whether it is up to date with the others."""
        try:
            async with httpx.AsyncClient(timeout=_LOOK_SECONDS) as client:
                return (await client.get(f"{self.monitor}/healthz")).is_success
        except httpx.TransportError:
            return False


def make_cluster(folder: Path, logs: Path) -> list[Server]:
    """Return the servers of a new cluster, none of them started."""
    routes = [free_port() for _ in range(SIZE)]
    return [_server(number, folder, logs, routes) for number in range(SIZE)]


def _server(number: int, folder: Path, logs: Path, routes: list[int]) -> Server:
    name, store = f"nats-{number}", folder / f"nats-{number}"
    store.mkdir(parents=True)
    port, monitor = free_port(), free_port()
    others = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
    config = store / "nats.conf"
    # Not advertised: clients would learn of addresses that pass their proxies by.
    config.write_text(
        f'server_name: "{name}"\n'
        f'listen: "127.0.0.1:{port}"\n'
        f'http: "127.0.0.1:{monitor}"\n'
        f'jetstream {{ store_dir: "{store}", sync_interval: always }}\n'
        f'cluster {{ name: chaos, listen: "127.0.0.1:{routes[number]}", no_advertise: true,'
        f" routes: [{others}] }}\n"
    )
    process = Process(name, [binary(), "-c", config], log=logs / f"{name}.log")
    address = f"http://127.0.0.1:{monitor}"
    return Server(Member(name, process, partial(_begin, process, address)), port, address)


async def _begin(process: Process, address: str) -> None:
    """Start it, and wait until it serves; whether it is up to date is another question."""
    process.start()
    try:
        await process.answers(f"{address}/healthz?js-server-only=true", _START_SECONDS)
    except StartError:
        if not process.running:
            raise
