"""An hour later: the log's duplicate window is over, and what counts once is said once more.

The window is cut short, as no run lasts for an hour. Money and slots count once for as long as the
log is kept; a tap for as long as Telegram repeats it, so nothing may wait anywhere by then.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta

import aiohttp

from chaos.adversary import OPENING
from chaos.history import History
from chaos.observer import STREAM, Observer
from chaos.people import People, tell_order
from chaos.plan import REPLICAS
from chaos.world import World
from contracts.streams import EVENTS
from stack.scene import BOT_ID

_SHORT = 0.1
"""The shortest window that the log allows, in seconds."""
_FORGOTTEN_SECONDS = 60.0
_TAKEN_SECONDS = 30.0
_AGAIN = 20
"""So many orders and payments are told again."""


async def an_hour_later(world: World, observer: Observer, people: People, history: History) -> None:
    """Have the shop, Telegram and the schedulers say again what they said long ago."""
    await _remember(observer, timedelta(seconds=_SHORT))
    await _forgotten(observer, history)
    said = {
        "orders": await _order_again(world, people.orders[-_AGAIN:]),
        "payments": await _pay_again(world),
        "schedulers": await _begin_again(world),
    }
    await _remember(observer, EVENTS.duplicate_window)
    history.add("fault", number=None, kind="later", target="log", **said)


async def _order_again(world: World, orders: Sequence[bytes]) -> int:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        for body in orders:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                await tell_order(body, world.front.url, http)
    return len(orders)


async def _pay_again(world: World) -> int:
    """Have Telegram repeat payments, and wait until none of them waits."""
    delivered = (await world.people.updates(BOT_ID))["delivered"]
    payments = [e for e in delivered if "successful_payment" in e["update"].get("message", {})]
    for entry in payments[-_AGAIN:]:
        # As it was: what waited while Telegram was started again, it would not repeat by its id.
        await world.people.inject(BOT_ID, entry["update"])
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_TAKEN_SECONDS):
            while (await world.people.updates(BOT_ID))["pending_count"]:
                await asyncio.sleep(_SHORT)
    return len(payments[-_AGAIN:])


async def _begin_again(world: World) -> int:
    """Start the schedulers again: each says once more the newest slot that it finds."""
    names = [name for name in REPLICAS if name.startswith("scheduler")]
    for name in names:
        await world.members[name].kill()
    for name in names:
        await world.members[name].restart()
        await world.wait_ready(name)
    return len(names)


async def _forgotten(observer: Observer, history: History) -> None:
    """Wait until the log takes a message again that it had; raises TimeoutError."""
    headers = {"Chaos": "garbage", "Nats-Msg-Id": OPENING}
    async with asyncio.timeout(_FORGOTTEN_SECONDS):
        while (said := await observer.patient.publish(OPENING, b"", headers=headers)).duplicate:
            await asyncio.sleep(_SHORT)
    history.add(
        "fault", number=None, kind="garbage", target="log", subject=OPENING, sequence=said.seq
    )


async def _remember(observer: Observer, window: timedelta) -> None:
    """Let the log know an event again for so long."""
    config = (await observer.patient.stream_info(STREAM)).config
    await observer.patient.update_stream(config.evolve(duplicate_window=window.total_seconds()))
