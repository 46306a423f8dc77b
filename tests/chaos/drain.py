"""Waits, after all was healed, until nothing is left to do anywhere."""

import asyncio

import httpx

from chaos.history import History, now
from chaos.observer import Observer
from chaos.plan import REPLICAS
from chaos.world import World
from sandbox.client import SandboxError
from stack.scene import BOT_ID

LIMIT_SECONDS = 180.0
_STILL_SECONDS = 4.0
_LOOK_SECONDS = 0.5


async def drained(world: World, observer: Observer, history: History, after: float) -> float | None:
    """Return since when nothing waits; not before `after`, and not before all are ready again.

    None where that took too long. A scheduler whose clock jumped is not ready for a minute, though
    nothing waits: the other one works.
    """
    deadline = max(after, now()) + LIMIT_SECONDS
    since: float | None = None
    last = None
    while now() < deadline:
        left = await _left(world, observer, history)
        if left or observer.log_last != last:
            since, last = None, observer.log_last
        elif since is None:
            since = now()
        elif now() - since > _STILL_SECONDS and now() > after and not await _unready(world):
            return since
        await asyncio.sleep(_LOOK_SECONDS)
    left = {**await _left(world, observer, history), **await _unready(world)}
    history.add("not_drained", left=left)
    return None


async def _unready(world: World) -> dict[str, object]:
    """Return what each replica that is not ready says of it."""
    problems = {replica: await world.problem(replica) for replica in REPLICAS}
    return {replica: problem for replica, problem in problems.items() if problem}


async def _left(world: World, observer: Observer, history: History) -> dict[str, object]:
    """Return what is not done yet, by who has it."""
    await observer.look()
    left: dict[str, object] = {}
    if observer.checkpoint != observer.log_last:
        left["projection"] = observer.log_last - observer.checkpoint
    for consumer in (consumers := await observer.consumers()) or []:
        pending, open_ = consumer.num_pending or 0, consumer.num_ack_pending or 0
        history.add("lag", consumer=consumer.name, pending=pending, unacknowledged=open_)
        if pending or open_:
            left[consumer.name] = pending + open_
    if consumers is None:
        left["nats"] = "away"
    try:
        if waiting := (await world.people.updates(BOT_ID))["pending_count"]:
            left["updates"] = waiting
    except (httpx.HTTPError, SandboxError) as error:
        left["sandbox"] = repr(error)
    return left
