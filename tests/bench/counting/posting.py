"""What a post costs: a claim and a word that it was sent, and one call of Telegram that posts."""

import asyncio
from collections import Counter

from bench.counting.broker import Broker
from bench.counting.counts import Count
from bench.sending.cost import NO_LIMITS
from bench.sending.scene import Running, Scene, scene
from contracts.streams import EVENTS, SENDER_PROMO, SENDER_SENT
from harness.senders import promos

CHANNELS, EACH = 50, 4
_WARM = 20
_SECONDS = 120
_LOOK_SECONDS = 0.1
_CONSUMERS = (SENDER_PROMO.durable, SENDER_SENT.durable)
_ACKS = 3
"""Of the due event and of what says that it was sent; and a heartbeat where it takes 3 s."""
_PULLS = 1.5
"""Due events and those about what was sent are fetched a few at once, at times one by one."""


async def count() -> list[Count]:
    """Count promos that are due at once, none of which fails."""
    async with scene(CHANNELS, "--no-floods") as here:
        dues = promos(here.channels, EACH)
        async with here.sender(NO_LIMITS) as running:
            await here.say(dues[:_WARM])
            await _done(here, running, _WARM)
            async with Broker.observed(here.log.url, here.log.monitor) as broker:
                before, called = await broker.traffic(), await _calls(here)
                await here.say(dues[_WARM:])
                await _done(here, running, len(dues))
                found = (await broker.traffic()).since(before)
                calls = await _calls(here) - called
    posts = len(dues) - _WARM
    each = {kind: times / posts for kind, times in found.kinds.items()}
    sent = found.sent["sender-sender"]
    asked = {method: times / posts for method, times in calls.items()}
    return [
        Count("claims of a post", each["message.claimed"], "publishes", 1),
        Count("events that say a post was sent", each["message.sent"], "publishes", 1),
        Count("reads of the log for a post", each.get("read", 0), "reads", 0),
        Count("acknowledgements of a post", each["ack"], "acks", _ACKS, 2),
        Count("pulls of a post", each["pull"], "requests", _PULLS, 0),
        Count("messages to NATS for a post", sent / posts, "messages", 5.5, 4),
        Count("sendMessage of a post", asked["sendMessage"], "calls", 1),
        Count("other calls of Telegram for a post", sum(asked.values()) - 1, "calls", 0.4, 0),
    ]


async def _done(here: Scene, running: Running, count: int) -> None:
    """Wait until so many are posted, and nothing is left to be acknowledged."""
    async with asyncio.timeout(_SECONDS):
        while running.posted() < count or await _open(here):
            await asyncio.sleep(_LOOK_SECONDS)


async def _open(here: Scene) -> int:
    infos = [await here.log.js.consumer_info(EVENTS.name, durable) for durable in _CONSUMERS]
    return sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos)


async def _calls(here: Scene) -> Counter[str]:
    return Counter(call["method"] for call in await here.stage.people.calls())
