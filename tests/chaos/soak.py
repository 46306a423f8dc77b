"""`python -m chaos.soak`: MINUTES of steady load without faults, and what grows that should not.

Memory, file handles and threads of every process, what consumers have before them, the log and the
tables are noted every few seconds in `soak.jsonl` of the run's folder, and the promises are judged
in the end as after any run.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import psutil

from chaos.__main__ import FOLDER, ordered, say
from chaos.checker import judge
from chaos.history import now
from chaos.observer import STREAM, Observer
from chaos.running import run
from chaos.world import World
from stack.process import StartError

_EVERY_SECONDS = 15.0
_SIZES = """
SELECT relname, pg_total_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname ~ '^fingerpost_v[0-9]+$'
"""
GROWS_WITH_THE_LOG = ("nats-", "postgres", "sandbox")
"""Processes whose memory holds a part of the log or a cache of the tables: judged by no limit."""
_MEGABYTE = 1_000_000
_ALLOWED_MEGABYTES, _ALLOWED_SHARE, _ALLOWED_HANDLES = 6.0, 0.05, 6


async def note(world: World, observer: Observer, into: Path) -> None:
    """Note what everything takes, for ever."""
    with into.open("w") as file:
        while True:
            found = {
                "at": now(),
                "processes": dict(_processes(world)),
                "waiting": {c.name: c.num_pending for c in await observer.consumers() or ()},
                "log": await _log(observer),
                "tables": await _tables(world.postgres.dsn),
            }
            file.write(json.dumps(found) + "\n")
            file.flush()
            await asyncio.sleep(_EVERY_SECONDS)


def _processes(world: World) -> Iterator[tuple[str, dict[str, int]]]:
    for member in world.members.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            head = psutil.Process(member.process.pid)
            tree = [head, *head.children(recursive=True)]
            yield (
                member.name,
                {
                    # Of Postgres each process counts the shared buffers anew: its own memory then.
                    "memory": sum(one.memory_full_info().uss for one in tree),
                    "handles": sum(one.num_fds() for one in tree),
                    "threads": sum(one.num_threads() for one in tree),
                },
            )


async def _log(observer: Observer) -> dict[str, int]:
    state = (await observer.js.stream_info(STREAM)).state
    return {"messages": state.messages, "bytes": state.bytes}


async def _tables(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    try:
        return {name: size for name, size in await connection.fetch(_SIZES)}  # noqa: C416
    finally:
        await connection.close()


def told(samples: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return lines to print, and what is not flat.

    The second quarter is compared with the last: in the first caches are filled.
    """
    quarter = len(samples) // 4
    if not quarter:
        return [], ["too short to say anything: four samples at least"]
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    lines = [f"{'':12} {'memory, 2nd quarter':>20} {'last':>9} {'handles':>15} {'threads':>15}"]
    broken = []
    for name in sorted(samples[-1]["processes"]):
        before, after = _middle(early, name), _middle(late, name)
        lines.append(
            f"{name:12} {before['memory'] / _MEGABYTE:17.1f} MB"
            f" {after['memory'] / _MEGABYTE:6.1f} MB"
            f" {before['handles']:6.0f} -> {after['handles']:<5.0f}"
            f" {before['threads']:6.0f} -> {after['threads']:<5.0f}"
        )
        if name.startswith(GROWS_WITH_THE_LOG):
            continue
        allowed = max(_ALLOWED_MEGABYTES * _MEGABYTE, _ALLOWED_SHARE * before["memory"])
        broken += [f"{name} grew in memory"] * (after["memory"] - before["memory"] > allowed)
        broken += [f"{name} keeps handles open"] * (
            after["handles"] - before["handles"] > _ALLOWED_HANDLES
        )
    return [*lines, *_of_the_log(samples, early, late)], broken


def _of_the_log(
    samples: list[dict[str, Any]], early: list[dict[str, Any]], late: list[dict[str, Any]]
) -> Iterator[str]:
    first, last = early[0], samples[-1]
    events = last["log"]["messages"] - first["log"]["messages"]
    seconds = last["at"] - first["at"]
    if not events:
        return
    size = (last["log"]["bytes"] - first["log"]["bytes"]) / events
    yield f"log {last['log']['messages']} events, {events / seconds:.1f}/s, {size:.0f} bytes each"
    tables = sum(last["tables"].values())
    size = (tables - sum(first["tables"].values())) / events
    yield f"tables {tables / _MEGABYTE:.1f} MB, {size:.0f} bytes an event"
    for one in sorted(last["waiting"]):
        seen = [s["waiting"].get(one, 0) for s in samples]
        half = len(seen) // 2
        early_lag, late_lag = median(seen[:half]), median(seen[half:])
        yield f"before {one}: {early_lag:.0f} -> {late_lag:.0f}, most {max(seen)}"
    servers = [name for name in last["processes"] if name.startswith("nats-")]
    gained = sum(_middle(late, n)["memory"] - _middle(early, n)["memory"] for n in servers)
    between = late[len(late) // 2]["log"]["messages"] - early[len(early) // 2]["log"]["messages"]
    if servers and between:
        yield f"a NATS server's memory: {gained / len(servers) / between:.0f} bytes an event"


def _middle(samples: Iterable[dict[str, Any]], name: str) -> dict[str, float]:
    seen = [s["processes"][name] for s in samples if name in s["processes"]]
    return {key: median(one[key] for one in seen) for key in ("memory", "handles", "threads")}


def main() -> int:
    """Return 0 where all is flat and all promises held, 1 where not, 2 where nothing was run."""
    environment = {**os.environ, "FAULTS": "none"}
    environment.setdefault("MINUTES", "60")
    samples = FOLDER / "soak.jsonl"
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        order = ordered(environment)
        folder = asyncio.run(run(order, say, beside=lambda w, o: note(w, o, samples)))
    except (ValueError, StartError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    samples = samples.rename(folder / samples.name)
    lines, broken = told([json.loads(line) for line in samples.open()])
    verdict = judge(folder)
    say("\n".join([verdict.table(), *lines, *(f"not flat: {what}" for what in broken)]))
    return 1 if broken or verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main())
