"""Serves the routes that are asked most, before the router: routing costs more than some answers.

They stand in the router too, which says what is wrong with a request that does not fit them.
"""

from collections.abc import Sequence

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Front:
    """Hands a request of a `hot` route to its endpoint, which is plain ASGI, all else to `router`.

    The path of such a route is fixed, but for one last part that may be a parameter; the endpoint
    reads it from `scope["path"]`.
    """

    def __init__(self, router: ASGIApp, hot: Sequence[Route]) -> None:
        self._router = router
        self._fixed = {route.path: route for route in hot if "{" not in route.path}
        self._open = {route.path.partition("{")[0]: route for route in hot if "{" in route.path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope)(scope, receive, send)

    def _app(self, scope: Scope) -> ASGIApp:
        if scope["type"] != "http":
            return self._router
        path: str = scope["path"]
        start, slash, last = path.rpartition("/")
        route = self._fixed.get(path) or (self._open.get(start + slash) if last else None)
        if route is None or scope["method"] not in (route.methods or ()):
            return self._router
        return route.app
