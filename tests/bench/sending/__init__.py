"""The sender at a sandbox of its own: the use of Telegram's limits, the cost of a post, the start.

The floor of a post is a bare aiogram loop: the same bot, channels, texts and buttons, as many
calls at once, at the same server; it keeps no record of anything. Under faults the peers are two
senders as most are written: one that retries on error, one that sends once.
"""

from bench.rows import Row
from bench.sending import cost, faults, rate, startup

ROUNDS = 3


async def measure() -> list[Row]:
    """Measure all of it; takes about ten minutes."""
    return [
        *await rate.measure(),
        *await cost.measure(ROUNDS),
        *await faults.measure(ROUNDS),
        *await startup.measure(ROUNDS),
    ]
