"""What a tap costs: one publish, and no call of Telegram, as the response is the answer."""

from bench.clicks import load, scene, taps
from bench.counting.broker import Broker
from bench.counting.counts import Count

TAPS = 400
_WARM = 50
_CONNECTIONS = 16
_BESIDES = 0.5
"""Readiness is checked, however much is tapped."""


async def count() -> list[Count]:
    """Count taps of many people on one post, and then links."""
    async with (
        scene.ours() as server,
        Broker.observed(server.log.url, server.log.monitor) as broker,
    ):
        await load.closed(server.port, taps.taps(_WARM, first=0), connections=_CONNECTIONS)
        await load.closed(server.port, taps.links(_WARM), connections=_CONNECTIONS)
        before, called = await broker.traffic(), await server.calls()
        requests = taps.taps(TAPS, first=_WARM)
        (await load.closed(server.port, requests, connections=_CONNECTIONS)).all_ended(200)
        between = await broker.settled("cta.clicked", before.kinds["cta.clicked"] + TAPS)
        calls = await server.calls() - called
        followed = taps.links(TAPS)
        (await load.closed(server.port, followed, connections=_CONNECTIONS)).all_ended(302)
        after = await broker.settled("cta.clicked", between.kinds["cta.clicked"] + TAPS)
    tapped, linked = between.since(before), after.since(between)
    most = 1 + _BESIDES
    return [
        Count("publishes of a tap", tapped.kinds["cta.clicked"] / TAPS, "publishes", 1),
        Count("messages to NATS for a tap", tapped.sent["clicks-0"] / TAPS, "messages", most, 1),
        Count("reads of the log for a tap", tapped.kinds["read"] / TAPS, "reads", 0),
        Count("calls of Telegram for a tap", calls / TAPS, "calls", 0),
        Count("publishes of a followed link", linked.kinds["cta.clicked"] / TAPS, "publishes", 1),
        Count("reads of the log for a link", linked.kinds["read"] / TAPS, "reads", 0),
    ]
