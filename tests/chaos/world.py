"""Everything that a run consists of, as processes on this machine, each on links of its own."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from chaos.campaigns import AUDIT_CHAT, CHANNELS, MEMBERS
from chaos.cluster import Server, make_cluster
from chaos.front import Front
from chaos.history import History
from chaos.jumping import set_offset
from chaos.members import Member
from chaos.plan import REPLICAS
from chaos.proxy import Proxy
from harness.signing import SECRET, STRIPE_SECRET
from sandbox.client import Sandbox
from stack.ports import free_port
from stack.postgres_server import PostgresServer
from stack.process import Process
from stack.scene import BOT_ID, BOT_USERNAME

BOT_TOKEN = f"{BOT_ID}:the-token-of-the-chaos-run"
WEBHOOK_SECRET = "chaos-webhook-secret"
CTA_KEY = "the key of the chaos run"
SEND_TIMEOUT, QUARANTINE = 10, 15
_PASSWORD = "chaos"
_READY_SECONDS = 90
_LONGEST_SECONDS = 400
"""For one that is at work: all start at once, on a machine that may be slow."""
_WATCH_SECONDS = 0.3
_ANSWER_SECONDS = 2
_OWN = ("FINGERPOST_", "TELEGRAM_", "NATS_", "POSTGRES_", "GUIDES_", "PROMOS_")


class World:
    """One run's processes, by their names in `members`; `links` by replica and what it leads to."""

    def __init__(self, folder: Path, history: History) -> None:
        self.folder = folder
        self.history = history
        self.logs = folder / "services"
        self.state = folder / "state"
        for made in (self.logs, self.state):
            made.mkdir(parents=True)
        self.plan = folder / "campaigns.yaml"
        self.cluster = make_cluster(self.state, self.logs)
        self.postgres = PostgresServer(
            self.state / "postgres", port=free_port(), password=_PASSWORD
        )
        self.front = Front(history)
        self.members: dict[str, Member] = {}
        self.links: dict[tuple[str, str], Proxy] = {}
        self.ports = {replica: free_port() for replica in REPLICAS}
        self._telegram = free_port()
        self.sandbox_url = f"http://127.0.0.1:{self._telegram}"
        self.people = Sandbox(self.sandbox_url, timeout=20)

    @property
    def nats_urls(self) -> list[str]:
        """Where the cluster is, without proxies between."""
        return [server.url for server in self.cluster]

    def server(self, name: str) -> Server:
        """Return a NATS server by its name."""
        return next(server for server in self.cluster if server.member.name == name)

    async def start(self, replicas: Sequence[str]) -> None:
        """Start some replicas, and wait until all of them are ready; raises StartError."""
        for replica in replicas:
            await self.add(replica, self._replica(replica))
        await asyncio.gather(*(self.wait_ready(replica) for replica in replicas))

    async def found(self) -> None:
        """Start what the services stand on: the cluster, Postgres, Telegram, links, the front."""
        for server in self.cluster:
            self.members[server.member.name] = server.member
            server.member.process.start()
        await self._postgres()
        await self._sandbox()
        for server in self.cluster:
            url = f"{server.monitor}/healthz"
            await server.member.process.answers(url, _READY_SECONDS, longest=_LONGEST_SECONDS)
        await self.front.start()
        for replica in REPLICAS:
            await self._link(replica)
        self.front.replicas = [
            (name, f"http://127.0.0.1:{self.links[name, 'front'].port}")
            for name in REPLICAS
            if name.startswith("clicks")
        ]

    async def add(self, name: str, process: Process) -> None:
        """Start a process that has nothing to wait for."""

        async def begin() -> None:
            process.start()

        self.members[name] = Member(name, process, begin)
        await begin()

    async def wait_ready(self, replica: str) -> None:
        """Wait until a replica says that it is ready; raises StartError."""
        url = f"http://127.0.0.1:{self.ports[replica]}/readyz"
        process = self.members[replica].process
        await process.answers(url, _READY_SECONDS, longest=_LONGEST_SECONDS)

    async def problem(self, replica: str) -> str | None:
        """Return why a replica is not ready; None where it is, or where it stands by."""
        try:
            async with httpx.AsyncClient(timeout=_ANSWER_SECONDS) as client:
                answer = await client.get(f"http://127.0.0.1:{self.ports[replica]}/readyz")
        except httpx.TransportError as error:
            return repr(error)
        return None if answer.is_success else answer.text[:300]

    async def keep(self) -> None:
        """Start again what died by itself, as an orchestrator would, for ever."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for member in self.members.values():
                if member.wanted and not member.process.running and not member.changing.locked():
                    status = member.process.exit_status
                    self.history.add("died", target=member.name, status=status)
                    if not await member.restart():
                        self.history.add("skipped", target=member.name, why="it does not start")

    async def stop(self) -> None:
        """Kill all that was started, and remove what only the processes need."""
        for member in self.members.values():
            await member.kill()
        for proxy in self.links.values():
            await proxy.stop()
        await self.front.stop()
        await self.people.close()
        if self.postgres.folder.exists():
            with suppress(FileNotFoundError):
                shutil.copy(self.postgres.folder / "postgres.log", self.logs)
            self.postgres.remove()

    async def _postgres(self) -> None:
        member = Member("postgres", self.postgres.process, self.postgres.start)
        self.members["postgres"] = member
        await self.postgres.start()

    async def _sandbox(self) -> None:
        flags = ("--port", str(self._telegram), "--state", str(self.state / "telegram.db"))
        process = Process(
            "sandbox",
            [sys.executable, "-m", "sandbox", *flags, "--no-floods", "--retry-base", "0.2"],
            log=self.logs / "sandbox.log",
        )

        async def begin() -> None:
            process.start()
            url = f"{self.sandbox_url}/control/healthz"
            await process.answers(url, _READY_SECONDS, longest=_LONGEST_SECONDS)

        self.members["sandbox"] = Member("sandbox", process, begin)
        await begin()
        await self.people.put_bot(BOT_ID, BOT_TOKEN, BOT_USERNAME)
        for channel in CHANNELS:
            await self.people.put_chat(
                channel, f"Channel {channel}", type="channel", members=MEMBERS
            )
        await self.people.put_chat(AUDIT_CHAT, "Audit", type="supergroup", members=2)

    async def _link(self, replica: str) -> None:
        targets = {server.member.name: server.port for server in self.cluster}
        targets |= {"telegram": self._telegram, "front": self.ports[replica]}
        targets["postgres"] = int(self.postgres.dsn.rsplit(":", 1)[1].split("/")[0])
        for link, port in targets.items():
            proxy = self.links[replica, link] = Proxy(port)
            await proxy.start()

    def _replica(self, name: str) -> Process:
        """Return the process of a service, which reaches all others through its own links."""
        service, _, _ = name.partition("-")
        clock = self.state / f"{name}.clock"
        set_offset(clock, 0.0)
        return Process(
            name,
            [sys.executable, "-m", "chaos.jumping", clock, service],
            log=self.logs / f"{name}.log",
            environment=self._environment(name),
        )

    def command(self, service: str, *arguments: str) -> Process:
        """Return a command of a service, which reaches all as its first replica does."""
        return Process(
            f"{service}-{arguments[0]}",
            [sys.executable, "-m", service, *arguments],
            log=self.logs / f"{service}-{arguments[0]}.log",
            environment=self._environment(f"{service}-0"),
        )

    def _environment(self, name: str) -> dict[str, str]:
        ports = {
            link: proxy.port for (replica, link), proxy in self.links.items() if replica == name
        }
        nats = [f"nats://127.0.0.1:{ports[server.member.name]}" for server in self.cluster]
        dsn = self.postgres.dsn.rsplit(":", 1)[0] + f":{ports['postgres']}/fingerpost"
        return {
            **{n: v for n, v in os.environ.items() if not n.startswith(_OWN)},
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "NATS_URL": ",".join(nats),
            "FINGERPOST_LOG_REPLICAS": str(len(self.cluster)),
            "POSTGRES_DSN": dsn,
            "FINGERPOST_HTTP_PORT": str(self.ports[name]),
            "FINGERPOST_INSTANCE": name,
            "FINGERPOST_CAMPAIGNS": str(self.plan),
            "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
            "FINGERPOST_TELEGRAM_API": f"http://127.0.0.1:{ports['telegram']}",
            "FINGERPOST_PUBLIC_URL": self.front.url,
            "FINGERPOST_CTA_KEYS": f"k1:{CTA_KEY}",
            "FINGERPOST_CLICKS_MODE": "webhook",
            "FINGERPOST_WEBHOOK_URL": self.front.url,
            "FINGERPOST_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "FINGERPOST_CONVERSION_SECRETS": SECRET,
            "FINGERPOST_STRIPE_SECRETS": STRIPE_SECRET,
            "FINGERPOST_TAPS_PER_MINUTE": "100000",
            "FINGERPOST_LINKS_PER_MINUTE": "100000",
            # Full within minutes: what is forgotten, and looked up again, is part of each run.
            "FINGERPOST_REMEMBERED_DELIVERIES": "300",
            "FINGERPOST_SEND_TIMEOUT": f"{SEND_TIMEOUT}s",
            "FINGERPOST_QUARANTINE": f"{QUARANTINE}s",
            "FINGERPOST_AUDIT_CHAT": str(AUDIT_CHAT),
            "FINGERPOST_RATE": "200",
            "FINGERPOST_CHAT_RATE": "50",
            "FINGERPOST_CHANNEL_RATE": "6000",
        }


@asynccontextmanager
async def open_world(folder: Path, history: History) -> AsyncIterator[World]:
    """Yield a world whose foundations stand; all of it is gone afterwards."""
    world = World(folder, history)
    try:
        await world.found()
        yield world
    finally:
        # To the end, also where Ctrl-C comes a second time: nothing may stay behind.
        await asyncio.shield(world.stop())
