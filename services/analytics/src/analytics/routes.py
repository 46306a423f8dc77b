"""Inbound edge: HTTP. The dashboard, what keeps it live, and rows for programs."""

from collections.abc import Sequence
from importlib.resources import as_file, files

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from analytics.board import Board
from analytics.reports import Reports, View
from analytics.store import GONE

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def build(board: Board, reports: Reports) -> Sequence[BaseRoute]:
    """Return the routes of the dashboard."""

    async def page(_: Request) -> Response:
        return HTMLResponse(await board.page(), headers=_HEADERS)

    async def live(request: Request) -> Response:
        drawing = await board.drawing()
        headers = {**_HEADERS, "ETag": f'"{drawing.tag}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return JSONResponse(drawing.sections, headers=headers)

    async def promo_conversion(_: Request) -> Response:
        return await _rows(reports, "promo_conversion")

    async def projection_status(_: Request) -> Response:
        return await _rows(reports, "projection_status")

    with as_file(files("analytics") / "static") as folder:
        static = StaticFiles(directory=folder)
    return (
        Route("/", page),
        Route("/live", live),
        Route("/v1/promo_conversion", promo_conversion),
        Route("/v1/projection_status", projection_status),
        Mount("/static", static),
    )


async def _rows(reports: Reports, view: View) -> Response:
    try:
        rows = await reports.as_json(view)
    except GONE:
        return JSONResponse({"error": "the tables cannot be read now"}, status_code=503)
    return Response(f'{{"rows":{rows}}}', media_type="application/json", headers=_HEADERS)
