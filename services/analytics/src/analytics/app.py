"""Composition root: the only place that knows how analytics is put together."""

from analytics.api.routes import Api
from analytics.dashboard.pages import Pages
from analytics.dashboard.routes import Dashboard
from analytics.dashboard.tail import Tail
from analytics.login import Guard, guarded
from analytics.projector import Projector
from analytics.reports import Reports
from analytics.settings import Settings
from chassis.clock import Clock, utc_now
from chassis.service import Service
from chassis.settings import load


def build(settings: Settings, *, clock: Clock = utc_now) -> Service:
    """Return analytics, ready to run."""
    dsn = settings.postgres_dsn.get_secret_value()
    projector, reports = Projector(dsn, settings.archive), Reports(dsn)
    pages, tail = Pages(reports, last_sequence=lambda: projector.last_sequence), Tail()
    dashboard = Dashboard(reports, pages, tail, clock=clock, stopping=lambda: service.stopping)
    guard = Guard(settings.rules(), settings.password(), clock=clock)
    service = Service(
        "analytics",
        settings,
        routes=guarded((*Api(reports).routes(), *dashboard.routes()), guard),
        clock=clock,
    )
    service.health.add("postgres", reports.check)
    service.health.add("projection", projector.check)
    service.add(projector.run)
    service.add(reports.keep)
    service.add(tail.run)
    return service


def settings() -> Settings:
    """Return what the environment says, or end the process."""
    return load(Settings)


def main() -> int:
    """Run until SIGTERM."""
    return build(load(Settings)).run()
