"""The same faults and kills for our sender, and for two senders that keep no ledger.

Each run: a seed in every channel, then one promo in each, with a fault planned for most of them and
three kills -9 while they are sent. What stands in the channels is counted by the buttons' tokens.
"""

import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rows import Row, progress, row
from bench.sending.scene import Scene, scene
from chassis.log import Reader
from contracts.events import MessageFailed, MessageSent, MessageUncertain, PromoDue
from contracts.token import InvalidTokenError, TokenSigner
from harness.sandboxes import AUDIT_CHAT, BOT_TOKEN
from harness.senders import Sender, promos
from harness.sending import CTA_KEY
from sender.domain.content import ButtonMaker
from stack.process import Process

CHANNELS = 180
KILLS = (0.25, 0.5, 0.75)
FAULTS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"kind": "accept_then_drop"},
    {"kind": "drop_before"},
    {"kind": "late", "seconds": 7},
    {"kind": "html_502", "effect": True},
    {"kind": "server_error", "effect": True},
    {"kind": "too_many", "retry_after": 1},
    {"kind": "restart"},
    {"kind": "bad_result"},
)
_SECONDS = 180
_LOOK_SECONDS = 0.1
_QUIET_SECONDS = 15
"""Longer than the log waits before it hands over again what a killed sender had."""
_SETTINGS = {
    "FINGERPOST_SEND_TIMEOUT": "5s",
    "FINGERPOST_QUARANTINE": "8s",
    "FINGERPOST_AUDIT_CHAT": str(AUDIT_CHAT),
    "FINGERPOST_RATE": "1000",
    "FINGERPOST_CHAT_RATE": "1000",
    "FINGERPOST_CHANNEL_RATE": "60000",
}
_SIGNER = TokenSigner({"k1": CTA_KEY.encode()})


@dataclass(frozen=True)
class Toll:
    """What a run cost: posts too many, deliveries that nobody posted and nobody told of."""

    duplicates: int
    losses: int
    uncertain: int = 0
    probes: float = 0
    doubts: int = 0


async def measure(rounds: int) -> list[Row]:
    """Return duplicates and losses, ours beside the peer that retries, and what looking took."""
    tolls = defaultdict[str, list[Toll]](list)
    for number in range(1, rounds + 1):
        for name in ("ours", "retry", "once"):
            progress(f"{CHANNELS} promos under faults and kills, round {number}: {name}")
            tolls[name].append(await _run(name))

    def all_of(name: str, figure: Callable[[Toll], float]) -> list[float]:
        return [figure(toll) for toll in tolls[name]]

    deliveries = f"of {CHANNELS} deliveries"
    return [
        row(
            f"duplicates {deliveries} (peer: retry on error)",
            all_of("ours", lambda toll: toll.duplicates),
            "posts",
            peer=all_of("retry", lambda toll: toll.duplicates),
            at_most=0,
        ),
        row(
            f"losses {deliveries} (peer: retry on error)",
            all_of("ours", lambda toll: toll.losses),
            "posts",
            peer=all_of("retry", lambda toll: toll.losses),
            at_most=0,
        ),
        row(
            f"losses {deliveries} (peer: acknowledge first, send once)",
            all_of("ours", lambda toll: toll.losses),
            "posts",
            peer=all_of("once", lambda toll: toll.losses),
            at_most=0,
        ),
        row("uncertain, told in the log", all_of("ours", lambda t: t.uncertain), "deliveries"),
        row("answers lost, and looked for", all_of("ours", lambda t: t.doubts), "deliveries"),
        row("probes of a look", all_of("ours", lambda t: t.probes), "calls"),
    ]


async def _run(name: str) -> Toll:
    async with scene(CHANNELS, "--no-floods") as here:
        seeds, dues = promos(here.channels, 1), promos(here.channels, 1)
        async with _sender(name, here, [*seeds, *dues]) as process:
            await here.say(seeds)
            await _posted(here, len(seeds))
            await _plan_faults(here)
            await here.say(dues)
            for share in KILLS:
                await _posted(here, len(seeds) + round(share * len(dues)))
                await process.kill()
                process.start()
            await _settled(here)
            return await _toll(here, dues)


@asynccontextmanager
async def _sender(name: str, here: Scene, dues: list[PromoDue]) -> AsyncIterator[Process]:
    folder = here.log.folder
    if name == "ours":
        sender = Sender(folder, "sender", here.log.url, here.stage.api, _SETTINGS, cold=True)
        async with sender:
            yield sender.process
        return
    maker = ButtonMaker(_SIGNER, "", None)
    posts = {
        due.delivery: {
            "chat": due.channel,
            "text": due.variant.text,
            "token": maker.token(due.delivery, 0),
        }
        for due in dues
    }
    file = folder / "posts.json"
    file.write_text(json.dumps(posts))
    script = Path(__file__).with_name("plain.py")
    process = Process(
        name,
        [sys.executable, script, here.log.url, BOT_TOKEN, here.stage.api, file, name],
        log=folder / f"{name}.log",
        environment=dict(os.environ),
    )
    process.start()
    try:
        yield process
    finally:
        await process.kill()


async def _plan_faults(here: Scene) -> None:
    for number, channel in enumerate(here.channels):
        if fault := FAULTS[number % len(FAULTS)]:
            fields = {key: value for key, value in fault.items() if key != "kind"}
            await here.stage.people.plan_fault(
                fault["kind"], "sendMessage", chat_id=channel, **fields
            )


async def _posted(here: Scene, count: int) -> None:
    """Wait until Telegram was asked so often to post."""
    async with asyncio.timeout(_SECONDS):
        while len(await here.stage.people.calls("sendMessage")) < count:
            await asyncio.sleep(_LOOK_SECONDS)


async def _settled(here: Scene) -> None:
    """Wait until nobody has asked Telegram for anything for a while."""
    before = -1
    async with asyncio.timeout(_SECONDS):
        while (calls := await _calls(here)) != before:
            before = calls
            await asyncio.sleep(_QUIET_SECONDS)


async def _calls(here: Scene) -> int:
    people = here.stage.people
    return len(await people.calls("sendMessage")) + len(await people.calls("forwardMessage"))


async def _toll(here: Scene, dues: list[PromoDue]) -> Toll:
    posts = await _posts(here)
    entries = await Reader(here.log.js).replay(("message.>",))
    events = [entry.envelope.data for entry in entries]
    told = {e.delivery for e in events if isinstance(e, MessageUncertain)}
    told |= {e.delivery for e in events if isinstance(e, MessageFailed) and e.retry_at is None}
    doubts = sum(isinstance(e, MessageSent) and e.reconciled for e in events)
    doubts += sum(isinstance(e, MessageFailed) and e.failure == "lost" for e in events)
    probes = len(await here.stage.people.calls("forwardMessage"))
    return Toll(
        duplicates=sum(count - 1 for count in posts.values()),
        losses=len({due.delivery for due in dues} - set(posts) - told),
        uncertain=len(told),
        probes=probes / doubts if doubts else 0,
        doubts=doubts,
    )


async def _posts(here: Scene) -> Counter[str]:
    found = Counter[str]()
    for channel in here.channels:
        for message in await here.stage.people.messages(channel):
            try:
                found[_SIGNER.verify(message["buttons"][0][0]["callback_data"]).delivery] += 1
            except InvalidTokenError:
                raise RuntimeError(f"a message of somebody else: {message}") from None
    return found
