"""The composition root: one Starlette app with the Bot API, the control API and the page."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.acts import Acts
from sandbox.api import BotApi
from sandbox.control import control_routes
from sandbox.floods import Limits
from sandbox.looks import Looks
from sandbox.page import HERE, Page
from sandbox.scene import Scene
from sandbox.store import Store
from sandbox.telegram import Telegram
from sandbox.webhooks import Webhooks


@dataclass(frozen=True)
class Settings:
    """What the command line decides."""

    state: str = ":memory:"
    limits: Limits = field(default_factory=Limits)
    retry_base: float = 1.0


def build(settings: Settings) -> Starlette:
    """Wire one sandbox."""
    store = Store(settings.state)
    telegram = Telegram(store, settings.limits)
    api = BotApi(telegram)
    webhooks = Webhooks(telegram, api.execute, settings.retry_base)
    page = Page(telegram)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for bot in telegram.world.bots:
            webhooks.kick(bot.id)
        yield
        await webhooks.close()
        store.close()

    acts, looks = Acts(telegram), Looks(telegram, api)
    routes = [
        Route("/bot{token}/{method}", api.endpoint, methods=["GET", "POST"]),
        Route("/file/bot{token}/files/{unique}", page.file, methods=["GET"]),
        *control_routes(telegram.world, Scene(telegram), acts, looks),
        *page.routes(),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    errors = {404: _not_found}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=errors)
    app.state.polls = telegram.polls
    return app


async def _not_found(request: Request, error: Exception) -> Response:  # noqa: ARG001 - a handler
    return JSONResponse({"ok": False, "error_code": 404, "description": "Not Found"}, 404)
