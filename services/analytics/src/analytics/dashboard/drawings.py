"""Pages as they were drawn last. One drawing serves every reader, however many pages are open."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from analytics.postgres import GONE
from analytics.reports import BusyError
from chassis.logs import logger

_REST_SECONDS = 0.2
_REST_PER_DRAWING = 4
_STALE_SECONDS = 5.0
_STALE_PER_DRAWING = 20
_SHOWN_SECONDS = 600.0
_KEPT = 100

log = logger(__name__)


@dataclass(frozen=True)
class Content:
    """A template, and what it is filled with."""

    template: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Drawing:
    """A page as text, and a tag that changes with it."""

    html: str
    tag: str

    @classmethod
    def of(cls, html: str) -> "Drawing":
        """Tag a page."""
        return cls(html, blake2b(html.encode(), digest_size=8).hexdigest())


Make = Callable[[], Awaitable[Content]]
Render = Callable[[Content, bool], str]
State = Callable[[], Awaitable[object]]


@dataclass
class _Kept:
    """One page: as it was drawn, of which state of the tables, and when it may be drawn again."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    content: Content | None = None
    drawing: Drawing | None = None
    state: object = None
    looked_at: float = 0.0
    rest_until: float = 0.0
    stale_at: float = 0.0
    redrawing: asyncio.Task[None] | None = None


class Drawings:
    """Draws when somebody looks and something changed; rests between, longer after slow draws.

    A page that somebody looked at in the last ten minutes is shown at once as it was, and drawn
    anew meanwhile: an open page asks again, and shows that. While Postgres is away the last page
    stays, with a notice that says so; a page that was never drawn raises what is wrong. The 100
    pages that were looked at last are kept.
    """

    def __init__(self, *, render: Render, state: State) -> None:
        self._render = render
        self._state = state
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def get(self, key: str, make: Make) -> Drawing:
        """Return the page `key`, which `make` draws."""
        kept = self._kept.setdefault(key, _Kept())
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        now, looked_at = _now(), kept.looked_at
        kept.looked_at = now
        if kept.drawing and now - looked_at < _SHOWN_SECONDS:
            if now >= kept.rest_until and (kept.redrawing is None or kept.redrawing.done()):
                kept.redrawing = asyncio.create_task(self._redraw(kept, make))
            return kept.drawing
        async with kept.lock:
            if kept.drawing is None or now - looked_at >= _SHOWN_SECONDS:
                await self._draw(kept, make)
            assert kept.drawing  # noqa: S101  drawn, or raised
            return kept.drawing

    async def _redraw(self, kept: _Kept, make: Make) -> None:
        async with kept.lock:
            kept.rest_until = _now() + _REST_SECONDS
            try:
                if _now() < kept.stale_at and await self._state() == kept.state:
                    return
                await self._draw(kept, make)
            except BusyError as error:
                log.info("a page stays as it was for now", problem=str(error))
            except GONE as error:
                log.warning("the tables could not be read", problem=repr(error))
                assert kept.content  # noqa: S101  it was drawn before
                kept.state = None
                kept.drawing = Drawing.of(self._render(kept.content, True))  # noqa: FBT003
            except ValueError as error:  # what was chosen is there no more
                log.info("a page cannot be drawn any more", problem=str(error))
                kept.drawing = None

    async def _draw(self, kept: _Kept, make: Make) -> None:
        begun = _now()
        state = await self._state()
        kept.content = await make()
        kept.drawing = Drawing.of(self._render(kept.content, False))  # noqa: FBT003
        took = _now() - begun
        kept.state = state
        kept.rest_until = _now() + max(_REST_SECONDS, _REST_PER_DRAWING * took)
        kept.stale_at = _now() + max(_STALE_SECONDS, _STALE_PER_DRAWING * took)


def _now() -> float:
    return asyncio.get_running_loop().time()
