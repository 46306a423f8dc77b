"""Start-up and memory with 100,000 campaign-channel pairs; the floor is a scheduler without any.

Three logs: one that holds the definitions alone, with all slots to come; one where a slot of each
pair was said ten minutes ago; and an empty one with a campaign file of that size.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from nats.js.api import PubAck

from bench.rows import Row, progress, row
from bench.scheduling import ours
from bench.scheduling.plans import defined, plan_of
from bench.scheduling.stored import Log, fresh_log
from chassis.clock import utc_now
from contracts.envelope import CONTENT_TYPE, Envelope
from contracts.events import CampaignDefined, Event, GuideDue
from contracts.ids import delivery_id
from stack.process import StartError

CAMPAIGNS = 1_000
CHANNELS = 100
AIM_SECONDS = 5
AIM_MEGABYTES = 150
_EVERY = timedelta(days=1)
_READY_SECONDS = 60
_FILE_SECONDS = 240
_SETTLE_SECONDS = 2
_PENDING = 4_000
_EPOCH_SECONDS = int(_EVERY.total_seconds())


@dataclass
class Starts:
    """Seconds to ready and memory in MB, one of each a start that became ready."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)

    async def add(self, log: Log, *, file: Path | None = None, ready: float) -> bool:
        """Start once, and stop again; False, said aloud, where it was not ready in time."""
        try:
            async with ours.scheduler(log, file=file, ready=ready) as running:
                await asyncio.sleep(_SETTLE_SECONDS)
                self.seconds.append(running.seconds_to_ready)
                self.memory.append(running.resident())
                self.peak.append(running.peak())
        except StartError as error:
            progress(str(error).splitlines()[0])
            return False
        return True


async def measure(rounds: int) -> list[Row]:
    """Return start-up and memory for each of the logs."""
    bare = await _starts("without campaigns", [], rounds)
    now = utc_now()
    first = await _starts(
        "with definitions alone", _definitions(now + _EVERY / 2), rounds, since=now
    )
    slot = now.replace(microsecond=0) - timedelta(minutes=10)
    plans = _definitions(slot)
    said = [due for plan in plans for due in _said(plan, slot)]
    again = await _starts(
        "after a slot of each pair", [*plans, *said], rounds, since=slot - timedelta(hours=1)
    )
    from_file = await _from_file(_definitions(now + _EVERY / 2))
    return [
        *_rows("first start", first, bare, aims=True),
        *_rows("restart", again, bare, aims=True),
        *_rows("first start from a file", from_file, bare, aims=False),
    ]


def _rows(words: str, starts: Starts, bare: Starts, *, aims: bool) -> list[Row]:
    title = f"{words}, {CAMPAIGNS * CHANNELS:,} pairs"
    return [
        row(
            f"{title}: to ready",
            starts.seconds,
            "s",
            floor=bare.seconds,
            at_most=AIM_SECONDS if aims else None,
        ),
        row(
            f"{title}: memory",
            starts.memory,
            "MB",
            floor=bare.memory,
            at_most=AIM_MEGABYTES if aims else None,
        ),
        row(f"{title}: peak memory", starts.peak, "MB", floor=bare.peak),
    ]


async def _starts(
    words: str, events: Sequence[Event], rounds: int, *, since: datetime | None = None
) -> Starts:
    starts = Starts()
    async with fresh_log() as log:
        if since:
            progress(f"start-up {words}: filling the log with {len(events):,} events")
            await _fill(log, events, since)
        for number in range(1, rounds + 1):
            progress(f"start-up {words}, round {number} of {rounds}")
            if not await starts.add(log, ready=_READY_SECONDS):
                return Starts()
    return starts


async def _from_file(definitions: Sequence[CampaignDefined]) -> Starts:
    progress("start-up from a campaign file of that size, once")
    plans = [json.loads(p.model_dump_json(exclude_defaults=True)) for p in plan_of(definitions)]
    starts = Starts()
    async with fresh_log() as log:
        file = log.folder / "campaigns.yaml"
        written = [_as_written(plan) for plan in plans]
        file.write_text(yaml.safe_dump({"version": 1, "campaigns": written}, sort_keys=False))
        await starts.add(log, file=file, ready=_FILE_SECONDS)
    return starts


def _as_written(plan: dict[str, object]) -> dict[str, object]:
    """Keep what an owner writes down."""
    names = ("id", "kind", "title", "schedule", "channels", "variants")
    return {name: plan[name] for name in names if name in plan}


def _definitions(at: datetime) -> list[CampaignDefined]:
    return [
        defined(f"campaign-{number}", every=_EVERY, at=at, channels=CHANNELS, variants=3)
        for number in range(CAMPAIGNS)
    ]


def _said(plan: CampaignDefined, slot: datetime) -> list[GuideDue]:
    definition = plan.definition
    return [
        GuideDue(
            delivery=delivery_id(definition.id, channel, slot),
            campaign=definition.id,
            revision=plan.revision,
            channel=channel,
            scheduled_for=slot,
            ordinal=int(slot.timestamp()) // _EPOCH_SECONDS,
            variant=definition.variants[0],
            expires_at=slot + timedelta(hours=2),
            trigger="schedule",
            on_uncertain=definition.uncertain_policy,
        )
        for channel in definition.channels
    ]


async def _fill(log: Log, events: Sequence[Event], since: datetime) -> None:
    """Put `events` into the log as if they had been said from `since` on, pipelined."""
    js = log.js
    pending: list[asyncio.Future[PubAck]] = []
    for event in events:
        envelope = Envelope.of(event, source="/bench", now=since, cause=None)
        headers = {"Nats-Msg-Id": envelope.id, "Content-Type": CONTENT_TYPE}
        pending.append(
            await js.publish_async(envelope.subject, envelope.document(), headers=headers)
        )
        if len(pending) == _PENDING:
            await asyncio.gather(*pending)
            pending.clear()
    await asyncio.gather(*pending)
