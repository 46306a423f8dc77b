"""Composition root: the only place that knows how analytics is put together."""

from analytics import routes
from analytics.board import Board
from analytics.projector import CONSUMER, Projector
from analytics.reports import Reports
from analytics.settings import Settings
from chassis.clock import Clock, utc_now
from chassis.service import Service
from chassis.settings import load


def build(settings: Settings, *, clock: Clock = utc_now) -> Service:
    """Return analytics, ready to run."""
    dsn = settings.postgres_dsn.get_secret_value()
    projector, reports = Projector(dsn), Reports(dsn)
    board = Board(reports, clock=clock, last_sequence=lambda: projector.last_sequence)
    service = Service(
        "analytics",
        settings,
        routes=routes.build(board, reports),
        consumers=(CONSUMER,),
        clock=clock,
    )
    service.health.add("postgres", reports.check)
    service.health.add("projection", projector.check)
    service.add(projector.run)
    service.add(reports.keep)
    return service


def main() -> int:
    """Run until SIGTERM; the exit status is 1 where the log lost events."""
    return build(load(Settings)).run()
