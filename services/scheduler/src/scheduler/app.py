"""Composition root: the only place that knows how the scheduler is put together."""

from chassis.clock import Clock, utc_now
from chassis.service import Service
from chassis.settings import load, refuse
from contracts.campaign import Kind
from contracts.ids import Channel
from scheduler.plan_file import PlanError, load_plan
from scheduler.settings import Settings
from scheduler.ticker import Ticker


def build(settings: Settings, *, clock: Clock = utc_now) -> Service:
    """Return the scheduler, ready to run; raises PlanError."""
    channels: dict[Kind, tuple[Channel, ...]] = {
        "guide": settings.guides_chat_ids,
        "promo": settings.promos_chat_ids,
    }
    plan = load_plan(settings.campaigns, channels, every=settings.every)
    service = Service("scheduler", settings, clock=clock)
    ticker = Ticker(plan, clock)
    service.health.add("plan", ticker.plan_applied)
    service.add(ticker.run)
    return service


def main() -> int:
    """Run until SIGTERM; a broken plan ends the process before anything is emitted."""
    try:
        service = build(load(Settings))
    except PlanError as error:
        refuse(*error.problems)
    return service.run()
