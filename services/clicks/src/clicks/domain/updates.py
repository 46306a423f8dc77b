"""Reads an update of the Bot API: only the fields that matter, whatever types arrive.

Nothing here raises. What cannot be read, or is not for us, is `Ignored`. The `id` of the others is
the one by which Telegram names the fact: the same however often it is delivered.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from clicks.domain.membership import Admitted, admission

_QUERY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_CHARGE_ID = re.compile(r"[!-~]{1,255}", re.ASCII)
_COMMAND = re.compile(r"/([a-z]+)(?:@\w+)?(?:\s+(\S.*))?", re.ASCII | re.DOTALL | re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?![a-z])", re.ASCII | re.IGNORECASE)
_INT64 = 2**63
_MEMBERS = {"creator", "administrator", "member"}

WANTED = (
    "callback_query",
    "chat_join_request",
    "chat_member",
    "message",
    "my_chat_member",
    "pre_checkout_query",
)
"""The kinds of update that Telegram is asked to send."""


@dataclass(frozen=True)
class Tap:
    """A tap of a callback button; `token` is whatever text the button carried.

    `language` is the first part of the person's IETF tag here and below, empty where unknown.
    """

    kind: ClassVar[str] = "callback_query"
    id: str
    user_id: int
    token: str
    message_id: int | None
    language: str = ""


@dataclass(frozen=True)
class Start:
    """A person opened the chat with the bot; `token` is empty where no link led there."""

    kind: ClassVar[str] = "start"
    id: int
    chat_id: int
    user_id: int
    token: str
    sent_at: int | None
    language: str = ""


@dataclass(frozen=True)
class Word:
    """A person wrote to the bot; whatever is no command that it knows is a call for help."""

    kind: ClassVar[str] = "word"
    id: int
    chat_id: int
    user_id: int
    meaning: Literal["stop", "forget", "help"]
    sent_at: int | None
    language: str = ""


@dataclass(frozen=True)
class Checkout:
    """A person is about to pay; Telegram waits 10 s for a yes."""

    kind: ClassVar[str] = "pre_checkout_query"
    id: str
    token: str
    currency: str
    amount: int
    language: str = ""


@dataclass(frozen=True)
class Payment:
    """A person has paid; of a subscription each period is one payment, `until` its end."""

    kind: ClassVar[str] = "successful_payment"
    id: str
    chat_id: int
    user_id: int
    token: str
    currency: str
    amount: int
    sent_at: int | None
    recurring: bool = False
    first: bool = False
    until: int | None = None
    language: str = ""


@dataclass(frozen=True)
class Refund:
    """A person was paid back; `id` names the payment."""

    kind: ClassVar[str] = "refunded_payment"
    id: str
    user_id: int
    token: str
    currency: str
    amount: int
    sent_at: int | None


@dataclass(frozen=True)
class Join:
    """A person became a member of a chat by an invite link."""

    kind: ClassVar[str] = "chat_member"
    id: int
    chat_id: int
    user_id: int
    link: str
    sent_at: int | None


@dataclass(frozen=True)
class JoinRequest:
    """A person followed an invite link and asks to be let in."""

    kind: ClassVar[str] = "chat_join_request"
    id: int
    chat_id: int
    user_id: int
    link: str


@dataclass(frozen=True)
class Ignored:
    """Nothing to do; `problem` is set where the update is not what Telegram would send."""

    kind: str
    problem: str | None = None
    id: int | None = None


Asked = Tap | Start | Checkout
"""What carries the token of a CTA, and is decided on by that CTA."""
Told = Word | Payment | Refund | Join | JoinRequest | Admitted
"""What is handled without a CTA."""


def read(update: object) -> Asked | Told | Ignored:
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
    return Tap(query_id, user_id, _text(query.get("data")), message_id, _language(query))


def _message(number: int, message: dict[str, Any]) -> Start | Told | Ignored | None:
    if "successful_payment" in message:
        return _payment(message) or Ignored("successful_payment", "malformed", number)
    if "refunded_payment" in message:
        return _refund(message) or Ignored("refunded_payment", "malformed", number)
    text, chat = _text(message.get("text")).strip(), _object(message.get("chat"))
    if not text or chat.get("type") != "private":
        return Ignored("message")
    chat_id, user_id = _integer(chat.get("id")), _user(message)
    if chat_id is None or user_id is None:
        return None
    sent_at, language = _integer(message.get("date")), _language(message)
    command = _COMMAND.fullmatch(text)
    name, said = (command[1].lower(), command[2] or "") if command else ("", "")
    match name:
        case "start":
            return Start(number, chat_id, user_id, said, sent_at, language)
        case "stop" | "forget":
            return Word(number, chat_id, user_id, name, sent_at, language)
    return Word(number, chat_id, user_id, "help", sent_at, language)


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
        recurring=paid.get("is_recurring") is True,
        first=paid.get("is_first_recurring") is True,
        until=_integer(paid.get("subscription_expiration_date")),
        language=_language(message),
    )


def _refund(message: dict[str, Any]) -> Refund | None:
    returned = _object(message["refunded_payment"])
    charge_id = _match(_CHARGE_ID, returned.get("telegram_payment_charge_id"))
    # The chat is the person's, whoever of the two Telegram names as the sender.
    chat = _object(message.get("chat"))
    user_id = _integer(chat.get("id")) if chat.get("type") == "private" else _user(message)
    amount = _integer(returned.get("total_amount"))
    if charge_id is None or user_id is None or amount is None:
        return None
    return Refund(
        charge_id,
        user_id,
        _text(returned.get("invoice_payload")),
        _text(returned.get("currency")),
        amount,
        _integer(message.get("date")),
    )


def _join(number: int, change: dict[str, Any]) -> Join | Ignored | None:
    link = _text(_object(change.get("invite_link")).get("invite_link"))
    before, after = _object(change.get("old_chat_member")), _object(change.get("new_chat_member"))
    if not link or _is_member(before) or not _is_member(after):
        return Ignored("chat_member")
    chat_id = _integer(_object(change.get("chat")).get("id"))
    user_id = _integer(_object(after.get("user")).get("id"))
    if chat_id is None or user_id is None:
        return None
    return Join(number, chat_id, user_id, link, _integer(change.get("date")))


def _is_member(member: dict[str, Any]) -> bool:
    if member.get("status") == "restricted":
        return member.get("is_member") is True
    return member.get("status") in _MEMBERS


def _join_request(number: int, request: dict[str, Any]) -> JoinRequest | Ignored | None:
    link = _text(_object(request.get("invite_link")).get("invite_link"))
    if not link:
        return Ignored("chat_join_request")
    chat_id, user_id = _integer(_object(request.get("chat")).get("id")), _user(request)
    if chat_id is None or user_id is None:
        return None
    return JoinRequest(number, chat_id, user_id, link)


def _checkout(_: int, query: dict[str, Any]) -> Checkout | None:
    query_id, amount = _match(_QUERY_ID, query.get("id")), _integer(query.get("total_amount"))
    if query_id is None or amount is None:
        return None
    return Checkout(
        query_id,
        _text(query.get("invoice_payload")),
        _text(query.get("currency")),
        amount,
        _language(query),
    )


def _own_membership(number: int, change: dict[str, Any]) -> Admitted | Ignored:
    return admission(number, change) or Ignored(Admitted.kind)


_READERS: dict[str, Callable[[int, dict[str, Any]], Asked | Told | Ignored | None]] = {
    "callback_query": _tap,
    "chat_join_request": _join_request,
    "chat_member": _join,
    "message": _message,
    "my_chat_member": _own_membership,
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


def _language(fields: dict[str, Any]) -> str:
    match = _LANGUAGE.match(_text(_object(fields.get("from")).get("language_code")))
    return match[0].lower() if match else ""
