"""One run: the world is started, loaded, broken, healed, drained and written down."""

import asyncio
import json
import shutil
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from chaos import dump
from chaos.adversary import Adversary
from chaos.campaigns import AUDIT_CHAT, CAMPAIGNS, described, file_of
from chaos.drain import LIMIT_SECONDS, drained
from chaos.forgetting import forget
from chaos.history import History, now, write_lines
from chaos.later import an_hour_later
from chaos.observer import Observer, open_observer, tables
from chaos.people import People, Strangers
from chaos.plan import FORGET, LATER, REPLICAS, TRUNCATE, draw
from chaos.truncation import truncate
from chaos.world import CTA_KEY, QUARANTINE, SEND_TIMEOUT, WEBHOOK_SECRET, World, open_world
from stack.scene import BOT_ID, BOT_USERNAME

Say = Callable[[str], None]
Beside = Callable[[World, Observer], Coroutine[Any, Any, None]]
"""What goes on beside a run, for ever."""

_START_ALLOWANCE = 15.0
"""The campaigns end so long after the schedulers began to start, and the minutes of the run."""
_STRANGERS_EVERY = 1.2
_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class Order:
    """What a run is to be."""

    seed: int
    minutes: float
    faults: tuple[str, ...]
    folder: Path

    @property
    def seconds(self) -> float:
        """How long people act and faults come."""
        return self.minutes * 60


async def run(order: Order, say: Say, *, beside: Beside | None = None) -> Path:
    """Make one run and return its folder; raises StartError."""
    stamp = datetime.fromtimestamp(now(), UTC).strftime("%Y%m%dT%H%M%S")
    folder = order.folder / f"{order.seed}-{stamp}"
    folder.mkdir(parents=True)
    history = History(folder / "history.jsonl")
    try:
        say(f"starting the world in {folder}")
        async with open_world(folder, history) as world:
            await _play(order, world, history, say, beside)
    finally:
        history.close()
        shutil.rmtree(folder / "state", ignore_errors=True)
    return folder


async def _play(
    order: Order, world: World, history: History, say: Say, beside: Beside | None
) -> None:
    # Who has the plan starts last: it is to last for the run, however long the others take.
    schedulers = [name for name in REPLICAS if name.startswith("scheduler")]
    await world.start([name for name in REPLICAS if name not in schedulers])
    end = float(int(now() + _START_ALLOWANCE + order.seconds))
    written = file_of(datetime.fromtimestamp(end, UTC).isoformat())
    world.plan.write_text(yaml.safe_dump(written))
    await world.start(schedulers)
    people = People(world.people, world.front.url, history, order.seed)
    async with open_observer(world.nats_urls, world.postgres.dsn, history) as observer:
        watching = asyncio.create_task(observer.watch())
        keeping = asyncio.create_task(world.keep())
        side = [asyncio.create_task(beside(world, observer))] if beside else []
        try:
            report = await _under_faults(order, world, observer, people, history, say)
            say(f"healed; waiting until nothing is left to do (at most {LIMIT_SECONDS:.0f} s)")
            watching.cancel()
            since = await drained(world, observer, history, after=end)
            if LATER in order.faults and since is not None:
                say("an hour later, as the log sees it")
                await an_hour_later(world, observer, people, history)
                still = await drained(world, observer, history, after=now())
                since = since if still is not None else None
        finally:
            await _end(watching, keeping, *side)
        report |= {"drained": since, "drain_limit": LIMIT_SECONDS}
        if since is not None:
            history.add("drained", seconds=since - report["healed"])
        log = await observer.messages()
        await _write(world, log, {**report, **_head(order)}, end)
        # The one is about the log of the run, the other about one of its own.
        scenes = []
        if FORGET in order.faults and since is not None:
            say("people ask to be forgotten")
            scenes.append(forget(world, observer, history, log, order.seed))
        if TRUNCATE in order.faults:
            say("a log of one server loses its tail")
            scenes.append(_truncate(world, history, log, order.seed))
        await _at_once(scenes)


async def _at_once(scenes: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Play scenes beside each other; raises what one of them failed by, when all have ended."""
    try:
        async with asyncio.TaskGroup() as playing:
            for scene in scenes:
                playing.create_task(scene)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _truncate(world: World, history: History, log: list[dict[str, Any]], seed: int) -> None:
    found = await truncate(world, log, seed)
    history.add("fault", number=None, kind=TRUNCATE, target="nats-of-one")
    (world.folder / "truncate.json").write_text(json.dumps(found, indent=2))


async def _under_faults(
    order: Order,
    world: World,
    observer: Observer,
    people: People,
    history: History,
    say: Say,
) -> dict[str, Any]:
    plan = draw(order.seed, order.seconds, order.faults)
    strangers = Strangers(world.front.url, WEBHOOK_SECRET, people, order.seed)
    adversary = Adversary(world, observer, history)
    start = now()
    say(f"{len(plan)} faults in {order.seconds:.0f} s, seed {order.seed}")
    side = [
        asyncio.create_task(strangers.disturb(_STRANGERS_EVERY)),
        asyncio.create_task(_progress(start, world, observer, history, people, adversary, say)),
    ]
    try:
        await adversary.open_with_garbage()
        async with asyncio.TaskGroup() as acting:
            acting.create_task(people.read(order.seconds))
            acting.create_task(adversary.follow(plan))
        finished = now()
    finally:
        try:
            await _end(*side)
        finally:
            await adversary.heal()
    healed = history.add("healed")
    return {
        "start": start,
        "end": finished,
        "healed": healed,
        "clock_jumps": adversary.jumps,
        "plan": [fault.document() for fault in plan],
    }


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel what runs for ever; raises what it failed by before: a run is not to go half blind."""
    for task in tasks:
        task.cancel()
    for found in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(found, Exception):
            raise found


async def _progress(
    start: float,
    world: World,
    observer: Observer,
    history: History,
    people: People,
    adversary: Adversary,
    say: Say,
) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_SECONDS)
        counts = history.counts
        well = sum(n for status, n in world.front.answered.items() if status in {200, 302})
        say(
            f"{now() - start:6.0f} s  faults {adversary.done}, left out {counts['skipped']}, died"
            f" {counts['died']}  posts {people.posts}  requests {counts['request']}, well {well}"
            f"  log {observer.log_last}, folded {observer.checkpoint}"
        )


def _head(order: Order) -> dict[str, Any]:
    return {
        "seed": order.seed,
        "minutes": order.minutes,
        "faults": list(order.faults),
        "machine": dump.machine(),
        "versions": dump.versions(),
        "bot": {"id": BOT_ID, "username": BOT_USERNAME},
        "cta_keys": {"k1": CTA_KEY},
        "settings": {
            "send_timeout": SEND_TIMEOUT,
            "quarantine": QUARANTINE,
            "audit_chat": AUDIT_CHAT,
        },
    }


async def _write(world: World, log: list[dict[str, Any]], head: dict[str, Any], end: float) -> None:
    folder = world.folder
    since = dump.since_of(log)
    schedule = [described(plan, end, since.get(plan["id"])) for plan in CAMPAIGNS]
    horizon = [min(since.values(), default=end), end]
    document = {**head, "horizon": horizon, "schedule": schedule}
    (folder / "run.json").write_text(json.dumps(document, indent=2))
    write_lines(folder / "log.jsonl", log)
    write_lines(folder / "posts.jsonl", await dump.posts(world.people))
    dump.write_tables(folder / "tables", await tables(world.postgres.dsn))
