"""The ways the Bot API says no: status, text and parameters as the official server words them."""

from typing import Any


class Refusal(Exception):  # noqa: N818 - the Bot API's word for it; an answer, not a fault of ours
    """An `ok: false` answer, raised by whatever finds the reason."""

    def __init__(self, code: int, description: str, parameters: dict[str, Any] | None = None):
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        answer: dict[str, Any] = {
            "ok": False,
            "error_code": self.code,
            "description": self.description,
        }
        if self.parameters:
            answer["parameters"] = self.parameters
        return answer


def bad_request(reason: str, parameters: dict[str, Any] | None = None) -> Refusal:
    """400, the caller's mistake."""
    return Refusal(400, f"Bad Request: {reason}", parameters)


def forbidden(reason: str) -> Refusal:
    """403, the bot may not be where it wants to act."""
    return Refusal(403, f"Forbidden: {reason}")


def conflict(reason: str) -> Refusal:
    """409, two readers of one bot's updates."""
    return Refusal(409, f"Conflict: {reason}")


def too_many(retry_after: int) -> Refusal:
    """429, a flood limit."""
    return Refusal(
        429, f"Too Many Requests: retry after {retry_after}", {"retry_after": retry_after}
    )


def unauthorized() -> Refusal:
    """401, nobody has this token."""
    return Refusal(401, "Unauthorized")


def unknown_method() -> Refusal:
    """404, a method the server does not know."""
    return Refusal(404, "Not Found")


def migrated(to: int) -> Refusal:
    """400 with the chat's new id."""
    reason = "group chat was upgraded to a supergroup chat"
    return bad_request(reason, {"migrate_to_chat_id": to})
