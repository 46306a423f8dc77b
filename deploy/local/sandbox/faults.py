"""Faults to inject: what goes wrong with the next calls of a method."""

from typing import Literal

from pydantic import BaseModel

Kind = Literal[
    "accept_then_drop", "drop_before", "late", "html_502", "server_error", "restart", "too_many",
    "too_many_without_parameters", "migrated", "kicked", "no_rights", "no_file", "bad_result",
    "cannot_delete",
]  # fmt: skip


class Fault(BaseModel):
    """One planned fault; it is spent after `times` calls that match."""

    method: str = "*"
    kind: Kind
    chat_id: int | str | None = None
    times: int = 1
    seconds: float = 5.0
    retry_after: int = 5
    effect: bool = False
    migrate_to_chat_id: int | None = None

    def matches(self, method: str, chat_id: str) -> bool:
        wanted = self.method.lower()
        here = self.chat_id is None or str(self.chat_id) == chat_id
        return here and wanted in {"*", method.lower()}


class Faults:
    """The planned faults in the order they were asked for."""

    def __init__(self) -> None:
        self.planned: list[Fault] = []

    def take(self, method: str, chat_id: str) -> Fault | None:
        """The first fault that fits this call, spent once."""
        fault = next((f for f in self.planned if f.matches(method, chat_id)), None)
        if fault:
            fault.times -= 1
            self.planned = [f for f in self.planned if f.times > 0]
        return fault
