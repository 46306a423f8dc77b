"""Reads an update of the Bot API: only the fields that matter, whatever types arrive.

Nothing here raises. What cannot be read, or is not for us, is `Ignored`. The `id` of the others is
the one by which Telegram names the fact: the same however often it is delivered.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

_QUERY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_CHARGE_ID = re.compile(r"[!-~]{1,255}", re.ASCII)
_START = re.compile(r"/start(?:@\w+)?(?:\s+(\S.*))?", re.ASCII | re.DOTALL)
_INT64 = 2**63

WANTED = ("callback_query", "message", "my_chat_member", "pre_checkout_query")
"""The kinds of update that Telegram is asked to send."""


@dataclass(frozen=True)
class Tap:
    """A tap of a callback button; `token` is whatever text the button carried."""

    kind: ClassVar[str] = "callback_query"
    id: str
    user_id: int
    token: str
    message_id: int | None


@dataclass(frozen=True)
class Start:
    """A person opened the chat with the bot; `token` is empty where no link led there."""

    kind: ClassVar[str] = "start"
    id: int
    chat_id: int
    user_id: int
    token: str
    sent_at: int | None


@dataclass(frozen=True)
class Checkout:
    """A person is about to pay; Telegram waits 10 s for a yes."""

    kind: ClassVar[str] = "pre_checkout_query"
    id: str
    token: str
    currency: str
    amount: int


@dataclass(frozen=True)
class Payment:
    """A person has paid."""

    kind: ClassVar[str] = "successful_payment"
    id: str
    chat_id: int
    user_id: int
    token: str
    currency: str
    amount: int
    sent_at: int | None


@dataclass(frozen=True)
class Ignored:
    """Nothing to do; `problem` is set where the update is not what Telegram would send."""

    kind: str
    problem: str | None = None
    id: int | None = None


Asked = Tap | Start | Checkout | Payment


def read(update: object) -> Asked | Ignored:
    """Return what the parsed JSON of an update asks for."""
    fields = _object(update)
    number = _integer(fields.get("update_id"))
    if number is None:
        return Ignored("other", "malformed")
    for kind, reader in _READERS.items():
        if kind in fields:
            return reader(number, _object(fields[kind])) or Ignored(kind, "malformed", number)
    return Ignored("other")


def update_id(update: object) -> int | None:
    """Return the update's number, by which polling confirms it."""
    return _integer(_object(update).get("update_id"))


def _tap(_: int, query: dict[str, Any]) -> Tap | None:
    query_id, user_id = _match(_QUERY_ID, query.get("id")), _user(query)
    if query_id is None or user_id is None:
        return None
    message_id = _integer(_object(query.get("message")).get("message_id"))
    return Tap(query_id, user_id, _text(query.get("data")), message_id)


def _message(number: int, message: dict[str, Any]) -> Start | Payment | Ignored | None:
    if "successful_payment" in message:
        return _payment(message) or Ignored("successful_payment", "malformed", number)
    start = _START.fullmatch(_text(message.get("text")).strip())
    chat = _object(message.get("chat"))
    if not start or chat.get("type") != "private":
        return Ignored("message")
    chat_id, user_id = _integer(chat.get("id")), _user(message)
    if chat_id is None or user_id is None:
        return None
    return Start(number, chat_id, user_id, start[1] or "", _integer(message.get("date")))


def _payment(message: dict[str, Any]) -> Payment | None:
    paid = _object(message["successful_payment"])
    charge_id = _match(_CHARGE_ID, paid.get("telegram_payment_charge_id"))
    chat_id = _integer(_object(message.get("chat")).get("id"))
    user_id, amount = _user(message), _integer(paid.get("total_amount"))
    if charge_id is None or chat_id is None or user_id is None or amount is None:
        return None
    return Payment(
        charge_id,
        chat_id,
        user_id,
        _text(paid.get("invoice_payload")),
        _text(paid.get("currency")),
        amount,
        _integer(message.get("date")),
    )


def _checkout(_: int, query: dict[str, Any]) -> Checkout | None:
    query_id, amount = _match(_QUERY_ID, query.get("id")), _integer(query.get("total_amount"))
    if query_id is None or amount is None:
        return None
    return Checkout(
        query_id, _text(query.get("invoice_payload")), _text(query.get("currency")), amount
    )


_READERS: dict[str, Callable[[int, dict[str, Any]], Asked | Ignored | None]] = {
    "callback_query": _tap,
    "message": _message,
    "pre_checkout_query": _checkout,
}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _integer(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        return None
    return value


def _match(pattern: re.Pattern[str], value: object) -> str | None:
    # The id becomes part of a header of the log, so it must not be able to break one.
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _user(fields: dict[str, Any]) -> int | None:
    return _integer(_object(fields.get("from")).get("id"))
