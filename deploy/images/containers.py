"""How a service is run in a container: read-only, without a right, and with a bound on memory."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from images import building, engine

MEMORY = {"scheduler": "128m", "sender": "256m", "clicks": "256m", "analytics": "256m"}
_CAMPAIGNS = Path("deploy/campaigns").absolute()
_SETTINGS = ("FINGERPOST_", "GUIDES_", "NATS_", "OTEL_", "POSTGRES_", "PROMOS_", "TELEGRAM_")
_HARDENED = (
    *("--read-only", "--tmpfs", "/tmp"),  # noqa: S108  the container's own
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "64"),
)


def container(service: str) -> str:
    """Return the name of the container that this run gives a service."""
    return f"fingerpost-{os.getpid()}-{service}"


def hardened(service: str, environment: Mapping[str, str]) -> Sequence[str]:
    """Return what runs a service in a container until it ends, and hands signals on to it.

    It shares the network of this machine: NATS and PostgreSQL listen on the loopback address. The
    values of settings are taken from the environment, so that no secret stands on a command line.
    """
    memory = MEMORY[service]
    names = [name for name in environment if name.startswith(_SETTINGS)]
    return (
        *(engine.client(), "run", "--rm", "--name", container(service), "--network", "host"),
        *(*_HARDENED, "--memory", memory, "--memory-swap", memory),
        *("--health-interval", "2s", "--volume", f"{_CAMPAIGNS}:/etc/fingerpost/campaigns:ro"),
        *(flag for name in names for flag in ("--env", name)),
        building.name(service),
    )


def health(service: str) -> str:
    """Return what the container's own health command says."""
    return engine.run("inspect", "--format", "{{.State.Health.Status}}", container(service))


def memory(service: str) -> str:
    """Return what the container's memory holds, and its bound."""
    usage = engine.run("stats", "--no-stream", "--format", "{{.MemUsage}}", container(service))
    return usage.replace("iB", "").replace("M /", " /")


def cpu_seconds(service: str) -> float:
    """Return the processor time that the container's process has used."""
    stat = engine.run("exec", container(service), "cat", "/proc/1/stat")
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def remove(service: str) -> None:
    """Remove the container where a failed run left it."""
    try:
        engine.run("rm", "--force", container(service))
    except engine.EngineError:
        return  # it is gone already


def probe(image: str, script: str) -> str:
    """Return what a shell in the image prints."""
    return engine.run("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", script)
