"""`make demo`: half a minute of Fingerpost by itself, and a check that its numbers are right.

Simulated people read the channels, tap, start the bot and pay. What they did is counted here,
outside of Fingerpost; at the end the conversion table must say the same.
"""

import os
import shutil
from pathlib import Path

from sandbox.client import Sandbox
from stack.local import LocalStack, Options
from stack.people import Audience
from stack.report import settled_table, show
from stack.supervisor import say

CAMPAIGNS = Path("deploy/campaigns/default.yaml")
_EVERY = "5s"
_READING_SECONDS = 25
_SETTLE_SECONDS = 60
_ITS_OWN = ("TELEGRAM_", "NATS_", "POSTGRES_", "GUIDES_", "PROMOS_", "FINGERPOST_")


async def run(folder: Path, seconds: float = _READING_SECONDS) -> int:
    """Run the demo in `folder`, which is emptied first; return 0 where the numbers are right."""
    shutil.rmtree(folder, ignore_errors=True)
    stack = LocalStack(options(folder))
    say("starting a Telegram sandbox, NATS, PostgreSQL and the four services ...")
    await stack.start()
    try:
        return await play(stack, seconds)
    finally:
        await stack.stop()


def options(folder: Path) -> Options:
    """Return how the demo's stack is started.

    Whatever the shell says of a real bot or a real database, the demo stays on this machine.
    """
    environment = {n: v for n, v in os.environ.items() if not n.startswith(_ITS_OWN)}
    return Options(folder=folder, environment=environment, every=_EVERY)


async def play(stack: LocalStack, seconds: float = _READING_SECONDS) -> int:
    """Let people read what a started stack posts; return 0 where its tables say what they did.

    Its scheduler is stopped, so that the posts can be counted.
    """
    say(f"people are reading for {seconds:.0f} s; the dashboard is at {stack.urls['analytics']}")
    async with Sandbox(stack.urls["sandbox"]) as sandbox:
        audience = Audience(sandbox, CAMPAIGNS)
        await audience.read(seconds)
        await stack.services["scheduler"].stop()
        table = await settled_table(stack.postgres_dsn, audience.differences, _SETTLE_SECONDS)
        differences = await audience.differences(table)
    say(f"\n{show(table)}\n")
    for difference in differences:
        say(f"WRONG: {difference}")
    if differences:
        return 1
    say(f"right: the table says what people did: {audience.tally.summary()}")
    return 0
