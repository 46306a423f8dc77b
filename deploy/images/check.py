"""Runs the images as an orchestrator would, and says what they cost.

All four with a read-only root, no capability and a bound on memory, against real servers; people
tap, start and pay, and the tables must say the same; then each is stopped and started alone.
"""

import asyncio
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from images import building, containers, engine
from stack import demo
from stack.local import SERVICES, LocalStack
from stack.supervisor import say

_HEALTHY_SECONDS = 30
_FOREIGN = {
    "scheduler": "aiogram asyncpg httpx",
    "sender": "asyncpg httpx",
    "clicks": "aiogram asyncpg",
    "analytics": "aiogram httpx",
}
_LOOK_INSIDE = """
[ "$(id -u)" = 10001 ] || echo "runs as $(id -u), not as 10001"
for tool in cc gcc g++ make; do command -v $tool && echo "has a compiler"; done
[ -s /usr/share/fingerpost/sbom.cdx.json ] || echo "lists no components (sbom.cdx.json)"
for module in {foreign}; do
    python -c "import $module" 2>/dev/null && echo "can import $module"
done
touch /usr/share/fingerpost/x 2>/dev/null && echo "may write its own files"
exit 0
"""


@dataclass
class Figures:
    """What one image costs."""

    megabytes: float
    own: float
    memory: str = ""
    start: float = 0.0
    cpu: float = 0.0
    stop: float = 0.0
    exit_status: int | None = None

    def cells(self, name: str) -> tuple[str, ...]:
        """Return the row of the table."""
        return (
            name,
            f"{self.megabytes:.0f} MB",
            f"{self.own:.0f} MB",
            f"{self.start:.1f} s",
            f"{self.cpu:.1f} s",
            self.memory,
            f"{self.stop:.1f} s",
            str(self.exit_status),
        )


_HEADS = (
    "image",
    "size",
    "on its base",
    "ready after",
    "CPU",
    "memory / limit",
    "stopped in",
    "exit",
)


async def check(folder: Path) -> int:
    """Run and measure the images in `folder`, which is emptied first; return 0 if all is well."""
    shutil.rmtree(folder, ignore_errors=True)
    base = engine.megabytes(building.base())
    sizes = {service: engine.megabytes(building.name(service)) for service in SERVICES}
    figures = {service: Figures(size, size - base) for service, size in sizes.items()}
    problems = [problem for service in SERVICES for problem in _inside(service)]
    options = replace(demo.options(folder), command=containers.hardened)
    stack = LocalStack(replace(options, overrides={"FINGERPOST_HTTP_HOST": "127.0.0.1"}))
    try:
        say("starting the four containers beside NATS, PostgreSQL and a Telegram sandbox ...")
        await stack.start()
        problems += await _unhealthy()
        if await demo.play(stack):
            problems.append("the tables do not say what people did")
        for service in SERVICES:
            await _measure(stack, service, figures[service])
    finally:
        await stack.stop()
        for service in SERVICES:
            containers.remove(service)
    say(_table(figures))
    problems += [
        f"{service} ended with {found.exit_status} on SIGTERM"
        for service, found in figures.items()
        if found.exit_status
    ]
    for problem in problems:
        say(f"WRONG: {problem}")
    return 1 if problems else 0


def _inside(service: str) -> list[str]:
    script = _LOOK_INSIDE.replace("{foreign}", _FOREIGN[service])
    said = containers.probe(building.name(service), script).splitlines()
    return [f"{building.name(service)} {line}" for line in said]


async def _unhealthy() -> list[str]:
    """Wait until the health command of each image agrees; return those that do not."""
    deadline = perf_counter() + _HEALTHY_SECONDS
    while perf_counter() < deadline:
        states = {service: containers.health(service) for service in SERVICES}
        if set(states.values()) == {"healthy"}:
            return []
        await asyncio.sleep(0.5)
    return [f"{service} is {state}" for service, state in states.items() if state != "healthy"]


async def _measure(stack: LocalStack, service: str, figures: Figures) -> None:
    """Stop a service and start it again, alone; the demo has stopped the scheduler already."""
    process = stack.services[service]
    if process.running:
        figures.memory = containers.memory(service)
        await process.stop()
    begun = perf_counter()
    process.start()
    await stack.ready(service)
    figures.start = perf_counter() - begun
    figures.cpu = containers.cpu_seconds(service)
    figures.memory = figures.memory or containers.memory(service)
    begun = perf_counter()
    await process.stop()
    figures.stop = perf_counter() - begun
    figures.exit_status = process.exit_status


def _table(figures: dict[str, Figures]) -> str:
    lines = [_HEADS, *(found.cells(building.name(name)) for name, found in figures.items())]
    widths = [max(len(line[place]) for line in lines) for place in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
