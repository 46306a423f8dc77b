"""1,000 channels and two promos for each, due at once, at a sandbox with Telegram's limits."""

import asyncio

from bench.rows import Row, progress, row
from bench.sending.scene import scene
from harness.senders import promos, sends

CHANNELS, EACH = 1_000, 2
SECONDS = 60
ALLOWED_PER_SECOND = 30
AIM_PERCENT = 97


async def measure() -> list[Row]:
    """Return the share of the allowed rate that was used, and the answers 429."""
    progress(f"{CHANNELS:,} channels for {SECONDS} s at {ALLOWED_PER_SECOND}/s")
    async with scene(CHANNELS) as here:
        await here.say(promos(here.channels, EACH))
        async with here.sender() as running:
            await asyncio.sleep(SECONDS + 5)
            calls = await sends(here.stage)
            cpu = running.cpu()
    taken = sorted(at for at, status in calls if status == 200)
    within = [at for at in taken if at < taken[0] + SECONDS]
    fullest = max(sum(at <= other < at + 1 for other in within) for at in within)
    used = 100 * len(within) / (ALLOWED_PER_SECOND * SECONDS)
    floods = sum(status == 429 for _, status in calls)
    first = sum(at < taken[0] + 1 for at in taken)
    return [
        row(f"allowed rate used, {SECONDS} s", [used], "%", at_least=AIM_PERCENT),
        row("answers 429 in that time", [floods], "answers", at_most=0),
        row("posts in the fullest second", [fullest], "posts", at_most=ALLOWED_PER_SECOND),
        row("posts in the first second", [first], "posts", at_most=ALLOWED_PER_SECOND),
        row("processor time of the sender in that run", [cpu], "s"),
    ]
