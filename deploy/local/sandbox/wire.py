"""The HTTP protocol with one addition: an app may cut its connection without answering."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class CuttableProtocol(HttpToolsProtocol):
    """Puts `sandbox.cut` among the scope's extensions."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {"sandbox.cut": self.transport.close}
        self.scope["extensions"] = extensions
