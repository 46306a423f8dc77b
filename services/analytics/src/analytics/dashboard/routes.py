"""Inbound edge: HTTP. The dashboard's pages, its exports and the events as they come."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

import asyncpg
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from analytics.dashboard.assets import Assets
from analytics.dashboard.drawings import Content, Drawing, Drawings
from analytics.dashboard.exports import (
    Download,
    Exports,
    Sheet,
    as_csv,
    as_parquet,
    file_name,
    wanted,
)
from analytics.dashboard.pages import Asked, Pages, UnknownError
from analytics.dashboard.reads import Question
from analytics.dashboard.rendering import Rendering
from analytics.dashboard.tail import EventStream, Tail
from analytics.domain.filters import BadFilterError, person, read
from analytics.postgres import GONE
from analytics.reports import BusyError, Reports, SlowError
from chassis.clock import Clock
from chassis.logs import logger

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer but the assets: nothing is kept, framed, guessed or loaded from elsewhere."""

_FORMS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

log = logger(__name__)

Answer = Callable[[Request], Awaitable[Response]]
Make = Callable[[Asked], Awaitable[Content]]


class Dashboard:
    """Answers requests of people."""

    def __init__(
        self,
        reports: Reports,
        pages: Pages,
        tail: Tail,
        *,
        clock: Clock,
        stopping: Callable[[], bool],
    ) -> None:
        self._pages = pages
        self._tail = tail
        self._clock = clock
        self._stopping = stopping
        self._assets = Assets()
        self._rendering = Rendering(self._assets)
        self._drawings = Drawings(render=self._rendering.page, state=pages.state)
        self._exports = Exports(reports)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of the dashboard."""
        pages = self._pages
        return (
            Route("/", self._drawn(pages.overview)),
            Route("/campaigns", self._drawn(pages.campaigns)),
            Route("/campaigns/{name}", self._answers(self._campaign)),
            Route("/deliveries", self._drawn(pages.deliveries)),
            Route("/people", self._answers(self._people)),
            Route("/people/{person}", self._answers(self._person)),
            Route("/events", self._drawn(pages.events)),
            Route("/events/stream", self._stream),
            Route("/projection", self._drawn(pages.projection)),
            Route("/export/{name}.{form}", self._answers(self._export)),
            Route("/static/{name}", self._assets.serve),
            Route("/{rest:path}", self._answers(self._unknown)),
        )

    def _answers(self, answer: Answer) -> Answer:
        """Turn what `answer` raises into a page that says what is wrong."""

        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except BadFilterError as error:
                problem = f"The value of {error.field} {error.problem}."
                return self._error(request, 400, problem, f"{_sentence(error.remedy)}.")
            except asyncpg.DataError as error:
                log.info("the database refused a value", problem=str(error))
                return self._error(
                    request,
                    400,
                    "The database cannot work with a value of the address.",
                    "Most likely it does not know the time zone: choose another.",
                )
            except UnknownError as error:
                problem = f"{_sentence(str(error))}."
                return self._error(
                    request, 404, problem, "Choose from the lists of the pages above."
                )
            except BusyError as error:
                problem = f"{_sentence(str(error))}."
                return self._error(request, 503, problem, "It takes a minute at most, mostly.")
            except (asyncpg.QueryCanceledError, SlowError):
                log.warning("a page took too long", path=request.url.path)
                return self._error(
                    request,
                    503,
                    "The tables take too long to answer this.",
                    "Choose a shorter period, or one campaign.",
                )
            except GONE as error:
                log.warning("the tables could not be read", problem=repr(error))
                return self._error(
                    request,
                    503,
                    "Postgres does not answer, or its tables are not made yet.",
                    "This page comes by itself when they are there.",
                )

        return answered

    def _error(self, request: Request, status: int, problem: str, remedy: str) -> Response:
        title = {400: "That cannot be shown", 404: "Not found"}.get(status, "Not now")
        html = self._rendering.error(request.url.path, title, problem, remedy)
        headers = {**HEADERS, "Retry-After": "2"} if status == 503 else HEADERS  # noqa: PLR2004
        return HTMLResponse(html, status, headers)

    def _asked(self, request: Request) -> Asked:
        query = dict(request.query_params)
        if any("\0" in value for value in query.values()):
            raise BadFilterError("address", "holds a zero byte", "leave it out")
        return Asked(request.url.path, Question(read(query), self._clock()), query)

    def _drawn(self, make: Make) -> Answer:
        async def answer(request: Request) -> Response:
            return await self._draw(request, make)

        return self._answers(answer)

    async def _draw(self, request: Request, make: Make) -> Response:
        """Answer with the page as it was drawn for everybody who asks the same."""
        asked = self._asked(request)
        key = f"{asked.path}?{asked.question.filter.query()}&" + "&".join(
            f"{name}={asked.query.get(name, '')}" for name in ("state", "after")
        )
        drawing = await self._drawings.get(key, lambda: make(self._asked(request)))
        return _tagged(request, drawing)

    async def _campaign(self, request: Request) -> Response:
        name = request.path_params["name"]
        return await self._draw(request, lambda asked: self._pages.campaign(asked, name))

    async def _people(self, request: Request) -> Response:
        if text := request.query_params.get("person", "").strip():
            return RedirectResponse(f"/people/{person(text)}", 303, HEADERS)
        return await self._draw(request, self._pages.people)

    async def _person(self, request: Request) -> Response:
        # Of one person nothing is kept: not even for the next who asks.
        content = await self._pages.person(self._asked(request), request.path_params["person"])
        return HTMLResponse(self._rendering.page(content), headers=HEADERS)

    async def _stream(self, request: Request) -> Response:
        if self._tail.full:
            return Response("too many watch already\n", 503, HEADERS, "text/plain")
        seen = request.headers.get("Last-Event-ID", "")
        after = int(seen) if seen.isdecimal() and len(seen) <= 19 else 0  # noqa: PLR2004
        return EventStream(self._tail, after=after, stopping=self._stopping, headers=HEADERS)

    async def _export(self, request: Request) -> Response:
        name, form = request.path_params["name"], request.path_params["form"]
        asked = self._asked(request)
        found = wanted(name, asked.question, dict(asked.query)) if form in _FORMS else None
        if found is None:
            raise UnknownError(f"there is no export {name}.{form}")
        headers = {
            **HEADERS,
            "Content-Disposition": "attachment; filename="
            f'"{file_name(name, asked.question.filter, form)}"',
        }
        batches = self._exports.batches(found)
        if form == "parquet":
            async with aclosing(batches):
                return Response(await as_parquet(batches), 200, headers, _FORMS[form])
        chunks = as_csv(batches)
        first = await anext(chunks)
        return Download(_after(first, chunks, batches), headers=headers, media_type=_FORMS[form])

    async def _unknown(self, _: Request) -> Response:
        raise UnknownError("there is no such page")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tagged(request: Request, drawing: Drawing) -> Response:
    headers = {**HEADERS, "ETag": f'"{drawing.tag}"'}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(drawing.html, headers=headers)


async def _after(
    first: bytes, chunks: AsyncGenerator[bytes, None], source: Sheet
) -> AsyncGenerator[bytes, None]:
    async with aclosing(source), aclosing(chunks):
        yield first
        async for chunk in chunks:
            yield chunk
