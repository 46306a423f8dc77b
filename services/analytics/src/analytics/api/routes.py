"""Inbound edge: HTTP, for programs. Every answer is JSON, errors too."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from json import dumps
from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from analytics.api.lists import BY_NAME, LISTS, List, click_count
from analytics.api.openapi import document
from analytics.domain.asking import PARAMETERS, read
from analytics.domain.filters import BadFilterError
from analytics.domain.paging import cursor, place
from analytics.postgres import GONE
from analytics.reports import Pooled, Reports, admitted
from chassis.logs import logger

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_AT_ONCE = 3
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

log = logger(__name__)

Answer = Callable[[Request], Awaitable[Response]]


class Api:
    """Answers requests of programs."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        # The others wait: programs must not take the connections of the pages.
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._document = document()

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes; the last takes what is left below `/v1/`."""
        answers: dict[str, Answer] = {
            "/v1/openapi.json": self._openapi,
            "/v1/users/{user}/clicks": self._history,
            "/v1/clicks/count": self._count,
            **{f"/v1/{one.name}": self._listing(one) for one in LISTS},
        }
        return (
            *(
                Route(path, _only_get(_told(answer)), methods=_METHODS)
                for path, answer in answers.items()
            ),
            Route("/v1/{rest:path}", _unknown, methods=_METHODS),
        )

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(self._document, headers=_HEADERS)

    def _listing(self, one: List) -> Answer:
        async def answer(request: Request) -> Response:
            return await self._page(one, read(_query(request), one.parameters))

        return answer

    async def _history(self, request: Request) -> Response:
        clicks = BY_NAME["clicks"]
        known = [name for name in clicks.parameters if name != "user"]
        user = PARAMETERS["user"].read("user", request.path_params["user"])
        return await self._page(clicks, {**read(_query(request), known), "user": user})

    async def _page(self, one: List, asked: Mapping[str, Any]) -> Response:
        kinds = [kind for _, kind in one.keys]
        after = place(one.name, kinds, asked["after"]) if asked["after"] else None
        async with admitted(self._room), self._reports.instant() as connection:
            # Instants are written in UTC, whatever the server's zone.
            await connection.execute("SET LOCAL TimeZone = 'UTC'")
            query, values = one.statement({**asked, "after": after}, await _version(connection))
            rows = await connection.fetch(query, *values)
        shown, more = rows[: asked["limit"]], len(rows) > asked["limit"]
        following = cursor(one.name, tuple(shown[-1])[1:]) if more else None
        text = f'{{"rows":[{",".join(row[0] for row in shown)}],"next":{dumps(following)}}}'
        return Response(text, headers=_HEADERS, media_type="application/json")

    async def _count(self, request: Request) -> Response:
        known = [n for n in BY_NAME["clicks"].parameters if n not in {"limit", "after"}]
        query, values = click_count(read(_query(request), known))
        async with admitted(self._room), self._reports.instant() as connection:
            found = await connection.fetchrow(query, *values)
        return JSONResponse(dict(found), headers=_HEADERS)


def _query(request: Request) -> list[tuple[str, str]]:
    return list(request.query_params.multi_items())


async def _version(connection: Pooled) -> int:
    return int(await connection.fetchval("SELECT version FROM projection_status"))


def _told(answer: Answer) -> Answer:
    """Turn what `answer` raises into an error that a program can read."""

    async def told(request: Request) -> Response:
        try:
            return await answer(request)
        except BadFilterError as error:
            return _error(400, error.field, error.problem, error.remedy)
        except asyncpg.DataError as error:
            log.info("the database refused a value", problem=str(error))
            return _error(400, "query", "the database cannot work with a value", "give another")
        except asyncpg.QueryCanceledError:
            return _error(503, "query", "takes too long", "ask for a shorter period or a campaign")
        except GONE as error:
            log.warning("the tables could not be read", problem=repr(error))
            return _error(503, "tables", "cannot be read now", "repeat it in a few seconds")

    return told


def _only_get(answer: Answer) -> Answer:
    async def answered(request: Request) -> Response:
        if request.method in {"GET", "HEAD"}:
            return await answer(request)
        said = _error(
            405, "method", f"{request.method} is not possible: it is read only", "use GET"
        )
        said.headers["Allow"] = "GET, HEAD"
        return said

    return answered


async def _unknown(_: Request) -> Response:
    return _error(404, "path", "is unknown", "see /v1/openapi.json")


def _error(status: int, field: str, problem: str, remedy: str) -> Response:
    headers = {**_HEADERS, "Retry-After": "2"} if status == 503 else _HEADERS  # noqa: PLR2004
    error = {"field": field, "problem": problem, "remedy": remedy}
    return JSONResponse({"error": error}, status_code=status, headers=headers)
