"""Everything that Fingerpost needs, on this machine: what is started, how, and in which order."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sandbox.client import Sandbox
from stack import scene
from stack.nats_server import NatsServer
from stack.ports import free_port
from stack.postgres_server import PostgresServer
from stack.process import Process
from stack.secrets import load_or_make

SERVICES = ("scheduler", "sender", "clicks", "analytics")
_READY_SECONDS = 60
_LONGEST_SECONDS = 300
"""For one that is at work: all start at once, on a machine that may be slow."""
Starter = Callable[[], Awaitable[None]]
Command = Callable[[str, Mapping[str, str]], Sequence[str]]
"""Returns what starts the service of that name, which will find this environment."""


def by_python(service: str, _: Mapping[str, str]) -> Sequence[str]:
    """Start a service with the Python that runs the stack."""
    return (sys.executable, "-m", service)


@dataclass(frozen=True)
class Options:
    """What a run may choose. `every` None: the campaign file's own intervals."""

    folder: Path
    environment: Mapping[str, str]
    every: str | None = "15s"
    guides: Sequence[scene.Channel] = scene.GUIDES
    promos: Sequence[scene.Channel] = scene.PROMOS
    sandbox_flags: Sequence[str] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    command: Command = by_python
    first_port: int | None = 8700
    """Where the sandbox listens if that is free, the services behind it; None: anywhere."""

    @property
    def live(self) -> bool:
        """Whether the run talks to the real Telegram."""
        return "TELEGRAM_BOT_TOKEN" in self.environment


class LocalStack:
    """The processes of one run. `services` are those of Fingerpost, by name."""

    def __init__(self, options: Options) -> None:
        self.options = options
        folder = options.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._secrets = load_or_make(folder / "secrets.json")
        first = options.first_port
        ports = {
            name: free_port(first + n if first else 0)
            for n, name in enumerate(("sandbox", *SERVICES))
        }
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self.nats = self._embedded_nats()
        self.postgres = self._embedded_postgres()
        self.sandbox = None if options.live else self._sandbox(ports["sandbox"])
        self.services = {name: self._service(name, ports[name]) for name in SERVICES}

    @property
    def nats_url(self) -> str:
        """Where the log is."""
        return self.nats.url if self.nats else self.options.environment["NATS_URL"]

    @property
    def postgres_dsn(self) -> str:
        """Where the tables are, with the password."""
        return self.postgres.dsn if self.postgres else self.options.environment["POSTGRES_DSN"]

    @property
    def starters(self) -> Mapping[Process, Starter]:
        """Return every process, and how it is started; raises StartError, as `start` does."""
        starters = {server.process: server.start for server in self._servers()}
        if self.sandbox:
            starters[self.sandbox] = partial(self._start_sandbox, self.sandbox)
        for service in self.services.values():
            starters[service] = partial(_start, service)
        return starters

    async def start(self) -> None:
        """Start all and wait until all are ready; raises StartError, after stopping the rest."""
        try:
            await self._start_foundations()
            for service in self.services.values():
                service.start()
            for name in SERVICES:
                await self.ready(name)
        except BaseException:
            await self.stop()
            raise

    async def ready(self, name: str) -> None:
        """Wait until a service says that it is ready; raises StartError."""
        url = f"{self.urls[name]}/readyz"
        await self.services[name].answers(url, _READY_SECONDS, longest=_LONGEST_SECONDS)

    async def stop(self) -> None:
        """Stop all: first what speaks, last what keeps."""
        await asyncio.gather(*(service.stop() for service in self.services.values()))
        processes = [server.process for server in self._servers()]
        if self.sandbox:
            processes.append(self.sandbox)
        await asyncio.gather(*(process.stop() for process in processes))

    def endpoints(self) -> dict[str, str]:
        """Return where everything is."""
        places = {**self.urls, "nats": self.nats_url, "postgres": self.postgres_dsn}
        if self.options.live:
            del places["sandbox"]
        return places

    def write_endpoints(self) -> Path:
        """Write `endpoints.json`; it holds the database's password, so only its owner reads it."""
        path = self.options.folder / "endpoints.json"
        path.touch(mode=0o600, exist_ok=True)
        path.write_text(json.dumps(self.endpoints(), indent=2) + "\n")
        return path

    async def _start_foundations(self) -> None:
        for server in self._servers():
            await server.start()
        if self.sandbox:
            await self._start_sandbox(self.sandbox)

    def _servers(self) -> list[NatsServer | PostgresServer]:
        return [server for server in (self.nats, self.postgres) if server]

    async def _start_sandbox(self, sandbox: Process) -> None:
        sandbox.start()
        url = f"{self.urls['sandbox']}/control/healthz"
        await sandbox.answers(url, _READY_SECONDS, longest=_LONGEST_SECONDS)
        channels = (*self.options.guides, *self.options.promos)
        async with Sandbox(self.urls["sandbox"]) as client:
            await scene.set_scene(client, self._bot_token(), channels)

    def _embedded_nats(self) -> NatsServer | None:
        if "NATS_URL" in self.options.environment:
            return None
        folder = self.options.folder / "nats"
        return NatsServer(folder, port=free_port(), monitor_port=free_port())

    def _embedded_postgres(self) -> PostgresServer | None:
        if "POSTGRES_DSN" in self.options.environment:
            return None
        return PostgresServer(
            self.options.folder / "postgres",
            port=free_port(),
            password=self._secrets["postgres_password"],
        )

    def _sandbox(self, port: int) -> Process:
        state = self.options.folder / "telegram.db"
        flags = ("--port", str(port), "--state", str(state), *self.options.sandbox_flags)
        command = (sys.executable, "-m", "sandbox", *flags)
        return self._process("sandbox", command, self.options.environment)

    def _service(self, name: str, port: int) -> Process:
        environment = {
            **self._settings(),
            **self.options.environment,
            **self.options.overrides,
            "FINGERPOST_HTTP_PORT": str(port),
            "NATS_URL": self.nats_url,
            "POSTGRES_DSN": self.postgres_dsn,
        }
        return self._process(name, self.options.command(name, environment), environment)

    def _process(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> Process:
        log = self.options.folder / f"{name}.log"
        return Process(name, command, log=log, environment=environment)

    def _settings(self) -> dict[str, str]:
        """What a run sets where the environment does not say otherwise."""
        settings = {
            "FINGERPOST_CTA_KEYS": f"k1:{self._secrets['cta_key']}",
            "FINGERPOST_WEBHOOK_SECRET": self._secrets["webhook_secret"],
        }
        if self.options.live:
            return settings
        settings |= {
            "TELEGRAM_BOT_TOKEN": self._bot_token(),
            "FINGERPOST_TELEGRAM_API": self.urls["sandbox"],
            "FINGERPOST_PUBLIC_URL": self.urls["clicks"],
            "FINGERPOST_CLICKS_MODE": "webhook",
            "FINGERPOST_WEBHOOK_URL": self.urls["clicks"],
            "GUIDES_CHAT_IDS_JSON": scene.chat_ids(self.options.guides),
            "PROMOS_CHAT_IDS_JSON": scene.chat_ids(self.options.promos),
        }
        if self.options.every:
            settings["FINGERPOST_EVERY"] = self.options.every
        return settings

    def _bot_token(self) -> str:
        return f"{scene.BOT_ID}:{self._secrets['sandbox_token_part']}"


async def _start(service: Process) -> None:
    service.start()
