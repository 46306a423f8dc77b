"""Composition root: the only place that knows how the scheduler is put together."""

import asyncio
from pathlib import Path

from chassis.clock import Clock, utc_now
from chassis.log_clock import LogClock
from chassis.service import Connection, Service
from chassis.settings import load, refuse, variable
from contracts.campaign import Campaign, Kind
from contracts.ids import Channel
from scheduler.catalogue import Catalogue
from scheduler.clock_watch import ClockWatch
from scheduler.keeper import Keeper
from scheduler.plan_file import PlanError, PlanFile
from scheduler.planner import Planner
from scheduler.settings import Settings
from scheduler.ticker import Ticker


def build(settings: Settings, *, clock: Clock = utc_now) -> Service:
    """Return the scheduler, ready to run; raises PlanError."""
    file = plan_file(settings)
    plan = file.load() if file else None
    right = LogClock(clock)
    catalogue, watch = Catalogue(), ClockWatch(right)
    planner = Planner(catalogue, right, actor=_actor(file, settings))
    keeper = Keeper(file, plan, planner, catalogue, watch)
    ticker = Ticker(catalogue, right, watch)

    async def schedule(connection: Connection) -> None:
        reader, publisher = connection.reader, connection.publisher
        await right.begin(reader)
        async with asyncio.TaskGroup() as group:
            group.create_task(right.run(reader))
            await keeper.begin(reader, publisher)
            group.create_task(keeper.run(reader, publisher))
            group.create_task(ticker.run(reader, publisher))

    service = Service("scheduler", settings, clock=right)
    service.health.add("plan", keeper.check)
    service.health.add("clock", watch.check)
    service.add(schedule)
    return service


def plan_file(settings: Settings) -> PlanFile | None:
    """Return the campaign file that the settings name, if any."""
    channels: dict[Kind, tuple[Channel, ...]] = {
        "guide": settings.guides_chat_ids,
        "promo": settings.promos_chat_ids,
    }
    if settings.campaigns is None:
        return None
    return PlanFile(settings.campaigns, channels, every=settings.every)


def settings() -> Settings:
    """Return what the environment says, or end the process."""
    return load(Settings)


def plan_to_apply(path: Path) -> tuple[Campaign, ...]:
    """Return the campaigns of a file as a scheduler here would apply them; raises PlanError."""
    file = plan_file(settings().model_copy(update={"campaigns": path}))
    return file.load() if file else ()


def plan_to_look_at(path: Path) -> tuple[tuple[Campaign, ...], tuple[str, ...]]:
    """Return the campaigns of a file, and what to know about them; raises PlanError.

    A laptop need not know the channels that a deployment's environment lists: where they are not
    set here, the name of their variable stands for them.
    """
    here = settings()
    given = {field: getattr(here, field) or (_stand_in(field),) for field in _CHANNELS_OF.values()}
    file = plan_file(here.model_copy(update={"campaigns": path, **given}))
    plan = file.load() if file else ()
    notes = (
        f"the channels of {name} are not known here, and not checked"
        for name in dict.fromkeys(_unknown_channels(campaign) for campaign in plan)
        if name
    )
    every = (f"FINGERPOST_EVERY={here.every} replaces what the file says about when to post",)
    return tuple(map(_named, plan)), (*notes, *(every if here.every else ()))


_CHANNELS_OF: dict[Kind, str] = {"guide": "guides_chat_ids", "promo": "promos_chat_ids"}


def _stand_in(field: str) -> Channel:
    return f"@{variable(Settings, field)[0].lower()}"


def _unknown_channels(campaign: Campaign) -> str | None:
    """Return the variable that lists the channels of `campaign`, where it is not set here."""
    field = _CHANNELS_OF[campaign.kind]
    return variable(Settings, field)[0] if campaign.channels == (_stand_in(field),) else None


def _named(campaign: Campaign) -> Campaign:
    name = _unknown_channels(campaign)
    return campaign.model_copy(update={"channels": (name,)}) if name else campaign


def _actor(file: PlanFile | None, settings: Settings) -> str:
    return f"{file.path.name} of scheduler {settings.instance}" if file else settings.instance


def main() -> int:
    """Run until SIGTERM; a broken plan ends the process before anything is emitted."""
    try:
        service = build(load(Settings))
    except PlanError as error:
        refuse(*error.problems)
    return service.run()
