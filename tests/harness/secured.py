"""A log where each service may do what its user may, by the very file that is deployed."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import run

import nats
from nats.aio.client import Client

from contracts.subjects import inbox_of
from stack.nats_server import NatsServer
from stack.ports import free_port

AUTHORIZATION = Path(__file__).parents[2] / "deploy" / "nats" / "authorization.conf"
USERS = ("scheduler", "sender", "clicks", "analytics", "forget", "provision", "backup", "admin")
PASSWORDS = {user: f"password-of-{user}-in-nats" for user in USERS}
_ASKS_AS = {"forget": "analytics"}
_PATIENCE_SECONDS = 30


class SecuredNats:
    """A nats-server with the users of `deploy/nats/authorization.conf`."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        variables = {f"NATS_PASSWORD_{user.upper()}": PASSWORDS[user] for user in USERS}
        self.server = NatsServer(
            folder / "nats",
            port=self._port,
            monitor_port=free_port(),
            include=AUTHORIZATION,
            environment=variables,
        )

    def url(self, user: str) -> str:
        """Return the address with the credentials of one user."""
        return f"nats://{user}:{PASSWORDS[user]}@127.0.0.1:{self._port}"

    def command(self, user: str, command: Sequence[str | Path]) -> list[str]:
        """Return `command`, as a process that has the credentials of `user`."""
        own = (f"{name}={value}" for name, value in self.environment(user).items())
        return ["env", *own, *map(str, command)]

    def environment(self, user: str) -> dict[str, str]:
        """Return the variables by which a process has the credentials of `user`."""
        return {"NATS_URL": self.url(user), "FINGERPOST_PROVISION": "false"}

    def provision(self) -> None:
        """Make the log's stream, consumers and buckets as an administrator does."""
        environment = {**os.environ, "NATS_URL": self.url("provision")}
        command = [sys.executable, "-m", "chassis.provision"]
        run(command, env=environment, check=True, capture_output=True, timeout=60)

    @asynccontextmanager
    async def as_user(self, user: str) -> AsyncIterator["Asking"]:
        """Connect as one user."""
        asking = Asking()
        asking.client = await nats.connect(
            self.url(user),
            inbox_prefix=inbox_of(_ASKS_AS.get(user, user)),
            error_cb=asking.remember,
            allow_reconnect=False,
            connect_timeout=_PATIENCE_SECONDS,
        )
        try:
            yield asking
        finally:
            await asking.client.close()


class Asking:
    """What one user may do, by trying it."""

    client: Client

    def __init__(self) -> None:
        self._refusals: list[str] = []

    async def remember(self, error: Exception) -> None:
        """Keep what the server says."""
        self._refusals.append(str(error).lower())

    async def may_publish(self, subject: str, data: bytes = b"") -> bool:
        """Publish, and return whether that was let through."""
        self._refusals.clear()
        await self.client.publish(subject, data)
        await self._answered()
        return not self._refused("publish")

    async def may_hear(self, subject: str) -> bool:
        """Subscribe, and return whether that was let through."""
        self._refusals.clear()
        subscription = await self.client.subscribe(subject)
        await self._answered()
        refused = self._refused("subscription")
        if not refused:
            await subscription.unsubscribe()
        return not refused

    async def _answered(self) -> None:
        """Wait until a refusal of what was sent would have come."""
        await self.client.flush(_PATIENCE_SECONDS)  # its PING may overtake what is to be sent
        await self.client.flush(_PATIENCE_SECONDS)

    def _refused(self, what: str) -> bool:
        return any(f"permissions violation for {what}" in said for said in self._refusals)


@asynccontextmanager
async def secured_nats(folder: Path) -> AsyncIterator[SecuredNats]:
    """Yield a server with the log provisioned."""
    secured = SecuredNats(folder)
    await secured.server.start()
    try:
        secured.provision()
        yield secured
    finally:
        await secured.server.process.kill()
