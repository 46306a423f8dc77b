"""What a post costs with the ledger around it, and without: no limits, 32 at once."""

import asyncio
import json
import sys
from collections import defaultdict
from pathlib import Path

from bench.rows import Row, progress, row
from bench.sending.scene import Running, Scene, scene
from contracts.events import PromoDue
from contracts.token import TokenSigner
from harness.sandboxes import BOT_TOKEN, BOT_USERNAME
from harness.senders import promos, sends
from harness.sending import CTA_KEY
from sender.domain.content import ButtonMaker

CHANNELS, EACH = 100, 15
AT_ONCE = 32
AIM_TIMES_FLOOR = 1.3
CPU = "processor time of a post"
WALL = "wall time of a post, 32 at once"
_SECONDS = 120
_LOOK_SECONDS = 0.1
NO_LIMITS = {
    "FINGERPOST_RATE": "1000",
    "FINGERPOST_CHAT_RATE": "1000",
    "FINGERPOST_CHANNEL_RATE": "60000",
}


async def measure(rounds: int) -> list[Row]:
    """Return wall and processor time of a post beside the floor's, taking turns."""
    ours, floor = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for number in range(1, rounds + 1):
        progress(f"{CHANNELS * EACH:,} posts without limits, round {number} of {rounds}: ours")
        async with scene(CHANNELS, "--no-floods") as here:
            dues = promos(here.channels, EACH)
            await _ours(here, dues, ours)
        progress("the floor: a bare aiogram loop")
        async with scene(CHANNELS, "--no-floods") as here:
            await _floor(here, promos(here.channels, EACH), floor)
    return [
        row(name, ours[name], "ms", floor=floor[name], times_floor=AIM_TIMES_FLOOR)
        for name in (CPU, WALL)
    ]


async def _ours(here: Scene, dues: list[PromoDue], found: dict[str, list[float]]) -> None:
    await here.say(dues)
    async with here.sender(NO_LIMITS) as running:
        # What starting costs is not the post's: measured from the first tenth on.
        begun = await _posted(running, len(dues) // 10)
        cpu = running.cpu()
        await _posted(running, len(dues))
        posts = len(dues) - begun
        found[CPU].append((running.cpu() - cpu) / posts * 1000)
        times = sorted(running.sender.said("sent"))[begun - 1 :]
        found[WALL].append((times[-1] - times[0]) / posts * 1000)


async def _posted(running: Running, count: int) -> int:
    async with asyncio.timeout(_SECONDS):
        while (posted := running.posted()) < count:
            await asyncio.sleep(_LOOK_SECONDS)
    return posted


async def _floor(here: Scene, dues: list[PromoDue], found: dict[str, list[float]]) -> None:
    maker = ButtonMaker(TokenSigner({"k1": CTA_KEY.encode()}), BOT_USERNAME, None)
    posts = [
        {
            "chat": int(due.channel),
            "text": due.variant.text,
            "rows": [
                [{"text": b.label, "callback_data": b.callback_data, "url": b.url}]
                for b in (maker.content(due.variant, due.delivery).buttons)
            ],
        }
        for due in dues
    ]
    file = here.log.folder / "posts.json"
    file.write_text(json.dumps(posts))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("bare.py")),
        BOT_TOKEN,
        here.stage.api,
        str(file),
        str(AT_ONCE),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    figures = json.loads(said)
    if len([at for at, status in await sends(here.stage) if status == 200]) != len(dues):
        raise RuntimeError("the floor did not post everything")
    found[CPU].append(figures["cpu"] / figures["posts"] * 1000)
    found[WALL].append(figures["wall"] / figures["posts"] * 1000)
