"""The files that pages load: served under names that change with their content, kept for a year."""

from hashlib import blake2b
from importlib.resources import files
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}


class Assets:
    """Keeps the files of `static/` in memory; they are few and small."""

    def __init__(self) -> None:
        self._named: dict[str, str] = {}
        self._contents: dict[str, tuple[bytes, str]] = {}
        for file in (files("analytics") / "static").iterdir():
            content, path = file.read_bytes(), PurePath(file.name)
            digest = blake2b(content, digest_size=5).hexdigest()
            name = f"{path.stem}.{digest}{path.suffix}"
            self._named[file.name] = name
            self._contents[name] = content, _TYPES[path.suffix]

    def path(self, name: str) -> str:
        """Return the address of a file of `static/`."""
        return f"/static/{self._named[name]}"

    async def serve(self, request: Request) -> Response:
        """Answer `GET /static/{name}`."""
        found = self._contents.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("no such file\n", status_code=404)
        content, kind = found
        return Response(content, media_type=kind, headers=_HEADERS)
