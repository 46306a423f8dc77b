"""Inline keyboards: what the server accepts, and what of them survives a forward.

Error texts from tdlib (td/telegram/ReplyMarkup.cpp) and live answers of the Bot API.
"""

from typing import Any

from sandbox.links import link_fault, normalized
from sandbox.refusals import bad_request

Button = dict[str, Any]
Markup = dict[str, Any]

_MOST_BUTTONS = 100
_MOST_IN_ROW = 8
_MOST_DATA_BYTES = 64
_MOST_COPIED = 256
_ACTIONS = (
    "url", "callback_data", "copy_text", "login_url", "web_app", "pay", "callback_game",
    "switch_inline_query", "switch_inline_query_current_chat", "switch_inline_query_chosen_chat",
)  # fmt: skip
_MAY_BE_EMPTY = {
    "callback_game", "switch_inline_query", "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
}  # fmt: skip
_LOOKS = ("style", "icon_custom_emoji_id")
_SURVIVE_FORWARD = {"url", "copy_text", "login_url"}


def inline_keyboard(markup: Any) -> Markup | None:
    """A checked keyboard; None when there is no inline keyboard or it is empty."""
    if not markup:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    rows = markup.get("inline_keyboard")
    if rows is None:
        return None
    if not isinstance(rows, list):
        raise bad_request('field "inline_keyboard" must be of type Array')
    keyboard = [row for row in map(_row, rows) if row]
    if sum(map(len, keyboard)) > _MOST_BUTTONS or any(len(r) > _MOST_IN_ROW for r in keyboard):
        raise bad_request("reply markup is too long")
    return {"inline_keyboard": keyboard} if keyboard else None


def forwarded(markup: Markup | None) -> Markup | None:
    """What a forward keeps of a keyboard: links, not callbacks."""
    if not markup:
        return None
    rows = [[b for b in row if _SURVIVE_FORWARD & set(b)] for row in markup["inline_keyboard"]]
    rows = [row for row in rows if row]
    return {"inline_keyboard": rows} if rows else None


def button_at(markup: Markup | None, row: int, column: int) -> Button | None:
    """The button a person sees in that place, or None."""
    rows = (markup or {}).get("inline_keyboard", [])
    if 0 <= row < len(rows) and 0 <= column < len(rows[row]):
        return dict(rows[row][column])
    return None


def _row(row: Any) -> list[Button]:
    if not isinstance(row, list):
        raise bad_request("can't parse inline keyboard: field must be an Array of Array")
    return [_button(button) for button in row]


def _button(button: Any) -> Button:
    if not isinstance(button, dict) or not isinstance(button.get("text"), str):
        raise _unparsed('field "text" must be of type String')
    actions = [a for a in _ACTIONS if a in button and (button[a] or a in _MAY_BE_EMPTY)]
    if not actions:
        raise _unparsed("Text buttons are unallowed in the inline keyboard")
    if len(actions) > 1:
        # The live server silently takes the first it knows; a sender that relies on it is wrong.
        raise _unparsed("exactly one action must be specified")
    if not button["text"].strip():
        raise bad_request("BUTTON_TEXT_INVALID")
    look = {name: button[name] for name in _LOOKS if button.get(name)}
    return {"text": button["text"], **_action(actions[0], button[actions[0]]), **look}


def _unparsed(reason: str) -> Exception:
    return bad_request(f"can't parse inline keyboard button: {reason}")


def _action(name: str, value: Any) -> Button:
    match name:
        case "callback_data":
            if not isinstance(value, str) or len(value.encode()) > _MOST_DATA_BYTES:
                raise bad_request("BUTTON_DATA_INVALID")
        case "url":
            return {"url": _link(str(value))}
        case "copy_text":
            copied = value.get("text") if isinstance(value, dict) else None
            if not isinstance(copied, str) or not 1 <= len(copied) <= _MOST_COPIED:
                raise bad_request("BUTTON_COPY_TEXT_INVALID")
        case "login_url" | "web_app":
            target = value.get("url") if isinstance(value, dict) else None
            return {name: {**dict(value), "url": _link(str(target or ""))}} if target else {}
    return {name: value}


def _link(url: str) -> str:
    fault = link_fault(url)
    if fault:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: {fault}")
    return normalized(url)
