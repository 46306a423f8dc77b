"""How many taps and links a second one process takes, and what one costs."""

from collections import defaultdict

from bench.clicks import load, scene, taps
from bench.clicks.scene import Server
from bench.rows import Row, progress, quantile, row

CONNECTIONS = 32
TAPS = 2_500
_WARM = 500
AIM_TIMES_PEER = 5


async def measure(rounds: int) -> list[Row]:
    """Return the throughput beside the raw publish (floor) and aiogram (peer)."""
    ours, floor, peer = (defaultdict[str, list[float]](list) for _ in range(3))
    for number in range(1, rounds + 1):
        progress(f"{TAPS:,} taps by {CONNECTIONS} connections, round {number} of {rounds}: raw")
        figures = await scene.raw(TAPS, CONNECTIONS)
        floor["rate"].append(TAPS / figures["wall"])
        floor["cpu"].append(figures["cpu"] / TAPS * 1e6)
        progress("aiogram's SimpleRequestHandler")
        async with scene.peer() as server:
            await _taps(server, peer)
        progress("ours")
        async with scene.ours() as server:
            await _taps(server, ours)
            await _counts(server, ours)
            await _links(server, ours)
    per_core = [1e6 / cost for cost in ours["cpu"]]
    return [
        row(
            f"taps a second, {CONNECTIONS} connections",
            ours["rate"],
            "taps/s",
            floor=floor["rate"],
            peer=peer["rate"],
        ),
        row(
            "the same, times aiogram's",
            [our / its for our, its in zip(ours["rate"], peer["rate"], strict=True)],
            "times",
            at_least=AIM_TIMES_PEER,
        ),
        row("processor time of a tap", ours["cpu"], "us", floor=floor["cpu"], peer=peer["cpu"]),
        row("taps that a core could take", per_core, "taps/s"),
        row("p99 of a tap at full load", ours["p99"], "ms", peer=peer["p99"]),
        row("publishes a tap", ours["publishes"], "publishes", at_most=1),
        row("look-ups in all these taps", ours["look-ups"], "look-ups", at_most=1),
        row(f"redirects a second, {CONNECTIONS} connections", ours["links"], "links/s"),
        row("processor time of a redirect", ours["link cpu"], "us"),
    ]


async def _taps(server: Server, found: defaultdict[str, list[float]]) -> None:
    await load.closed(server.port, taps.taps(_WARM, first=0), connections=CONNECTIONS)
    cpu = server.cpu()
    seen = await load.closed(server.port, taps.taps(TAPS, first=_WARM), connections=CONNECTIONS)
    found["cpu"].append((server.cpu() - cpu) / TAPS * 1e6)
    found["rate"].append(seen.all_ended(200).per_second)
    found["p99"].append(quantile(seen.seconds, 0.99) * 1000)


async def _counts(server: Server, found: defaultdict[str, list[float]]) -> None:
    published, looked_up = await server.counts(
        "fingerpost_log_published_total", "fingerpost_clicks_look_ups_total"
    )
    found["publishes"].append(published / (_WARM + TAPS))
    found["look-ups"].append(looked_up)


async def _links(server: Server, found: defaultdict[str, list[float]]) -> None:
    cpu = server.cpu()
    seen = await load.closed(server.port, taps.links(TAPS), connections=CONNECTIONS)
    found["link cpu"].append((server.cpu() - cpu) / TAPS * 1e6)
    found["links"].append(seen.all_ended(302).per_second)
