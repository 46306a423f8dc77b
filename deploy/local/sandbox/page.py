"""The page: channels and chats as a person sees them in Telegram, kept fresh by polling."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox.records import Json, Person
from sandbox.telegram import Telegram
from sandbox.views import message_view, page_chats

HERE = Path(__file__).parent
_YOU = Person(1, "You", "you")
_LATEST = 200
_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Page:
    """Serves the page, its state and the files in messages."""

    def __init__(self, telegram: Telegram):
        self._telegram = telegram
        self._world = telegram.world
        loader = FileSystemLoader(HERE / "templates")
        self._templates = Environment(loader=loader, autoescape=select_autoescape())

    def routes(self) -> list[Route]:
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/page/state", self.state, methods=["GET"]),
            Route("/page/files/{unique}", self.file, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:  # noqa: ARG002 - a route
        if self._world.people.get(_YOU.id) is None:
            self._world.people.save(_YOU)
            self._world.commit()
        html = self._templates.get_template("index.html").render(people=list(self._world.people))
        return HTMLResponse(html, headers=_SECURITY)

    async def state(self, request: Request) -> Response:
        """Chats, people and the open chat's messages; 204 when nothing is newer than `since`."""
        if request.query_params.get("since") == str(self._world.version):
            return Response(status_code=204)
        person = self._world.people.get(request.query_params.get("person")) or _YOU
        state: Json = {
            "version": self._world.version,
            "people": [p.user() for p in self._world.people],
            "chats": page_chats(self._world, person),
            "messages": self._messages(request.query_params.get("chat", "")),
        }
        return JSONResponse(state)

    def _messages(self, key: str) -> list[Json]:
        live = [m for m in self._world.messages_in(key) if not m.deleted]
        return [message_view(m) for m in live[-_LATEST:]]

    async def file(self, request: Request) -> Response:
        content = self._world.store.blob(request.path_params["unique"])
        if content is None:
            return Response(status_code=404)
        headers = {**_SECURITY, "Content-Disposition": "attachment"}
        return Response(content, media_type=_picture_type(content), headers=headers)


def _picture_type(content: bytes) -> str:
    """Only pictures are shown; everything else is a download."""
    known = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
    found = (kind for start, kind in known.items() if content.startswith(start))
    return next(found, "application/octet-stream")
