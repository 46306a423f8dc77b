"""The dashboard's pages as HTML. One drawing serves every reader, however many pages are open."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from analytics import words
from analytics.domain.chart import HEIGHT, WIDTH, draw
from analytics.reports import Overview, Reports
from analytics.store import GONE
from chassis.clock import Clock
from chassis.logs import logger

SECTIONS = ("notice", "headline", "conversions", "clicks", "guides", "deliveries", "status")

_REST_SECONDS = 0.2
_REST_PER_DRAWING = 4
_STALE_SECONDS = 5.0

log = logger(__name__)


@dataclass(frozen=True)
class Drawing:
    """The sections of the page by name, and a tag that changes with their text."""

    sections: dict[str, Markup]
    tag: str


class Board:
    """Draws when somebody looks and something changed; rests between, longer after slow draws.

    While Postgres is away the last numbers stay, with a notice that says so.
    """

    def __init__(
        self, reports: Reports, *, clock: Clock, last_sequence: Callable[[], int | None]
    ) -> None:
        self._reports = reports
        self._clock = clock
        self._last_sequence = last_sequence
        self._lock = asyncio.Lock()
        self._overview: Overview | None = None
        self._drawing: Drawing | None = None
        self._drawn_at = self._rest_until = float("-inf")
        self._environment = _environment()

    async def drawing(self) -> Drawing:
        """Return the page as it is now."""
        async with self._lock:
            moment = asyncio.get_running_loop().time()
            if self._drawing is None or moment >= self._rest_until:
                self._drawing = await self._draw(moment)
                done = asyncio.get_running_loop().time()
                self._rest_until = done + max(_REST_SECONDS, _REST_PER_DRAWING * (done - moment))
            return self._drawing

    async def page(self) -> str:
        """Return the whole page."""
        drawing = await self.drawing()
        return self._environment.get_template("page.html").render(
            sections=drawing.sections, tag=drawing.tag
        )

    async def _draw(self, moment: float) -> Drawing:
        try:
            if self._drawing and moment - self._drawn_at < _STALE_SECONDS and await self._same():
                return self._drawing
            self._overview = await self._reports.overview(self._clock())
        except GONE as error:
            log.warning("the tables could not be read", problem=repr(error))
            return self._render(notice=True)
        self._drawn_at = moment
        return self._render(notice=False)

    async def _same(self) -> bool:
        shown = self._overview.status if self._overview else None
        return shown is not None and await self._reports.status() == shown

    def _render(self, *, notice: bool) -> Drawing:
        values = _values(self._overview, self._last_sequence(), self._clock())
        sections = {
            name: Markup(  # noqa: S704  made by autoescaping templates
                self._environment.get_template(f"{name}.html").render(values, notice=notice)
            )
            for name in SECTIONS
        }
        text = "\0".join(sections.values())
        return Drawing(sections, blake2b(text.encode(), digest_size=8).hexdigest())


def _values(overview: Overview | None, last: int | None, now: datetime) -> dict[str, Any]:
    if overview is None:
        return {"ready": False}
    lag = None if last is None else max(0, last - overview.status["checkpoint"])
    return {
        "ready": True,
        "headline": overview.headline,
        "promos": [row for row in overview.variants if row["kind"] == "promo"],
        "guides": [row for row in overview.variants if row["kind"] == "guide"],
        "deliveries": overview.deliveries,
        "chart": draw(overview.axis, overview.clicks),
        "status": overview.status,
        "lag": lag,
        "now": now,
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("analytics"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "count": words.count,
        "percent": words.percent,
        "money": words.money,
        "instant": words.instant,
        "lateness": words.lateness,
    }
    environment.globals |= {"chart_width": WIDTH, "chart_height": HEIGHT}
    return environment
