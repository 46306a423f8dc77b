"""Calls of the Bot API as values: the domain decides on them, the edge makes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.campaign import StarsOffer


@dataclass(frozen=True)
class Bot:
    """The bot whose token this process holds, as Telegram names it."""

    id: int
    username: str

    def start_link(self, token: str) -> str:
        """Return the address that opens the chat with the bot and hands it `token`."""
        return f"https://t.me/{self.username}?start={token}"


@dataclass(frozen=True)
class Call:
    """One method of the Bot API and its parameters."""

    method: str
    parameters: Mapping[str, Any]

    @property
    def is_answer(self) -> bool:
        """Whether it answers a query: worth nothing later, and harmless where it gets lost."""
        return self.method.startswith("answer")

    def body(self) -> dict[str, Any]:
        """Return the call as a webhook's response body carries it."""
        return {"method": self.method, **self.parameters}


def show(query_id: str, text: str, *, alert: bool = False) -> Call:
    """Answer a tap with a short text where the person is."""
    return Call(
        "answerCallbackQuery",
        {"callback_query_id": query_id, "text": text, "show_alert": alert},
    )


def open_chat(query_id: str, link: str) -> Call:
    """Answer a tap by opening the chat with the bot; Telegram takes no other address."""
    return Call("answerCallbackQuery", {"callback_query_id": query_id, "url": link})


def say(chat_id: int, text: str, *, label: str = "", target: str | None = None) -> Call:
    """Write to a person, with a link button below the text where there is a `target`."""
    parameters: dict[str, Any] = {"chat_id": chat_id, "text": text}
    if target:
        button = {"text": label, "url": target}
        parameters["reply_markup"] = {"inline_keyboard": [[button]]}
    return Call("sendMessage", parameters)


def invoice(chat_id: int, offer: StarsOffer, payload: str) -> Call:
    """Make an offer in Telegram Stars: currency XTR, one price, no provider (Bot API docs)."""
    return Call(
        "sendInvoice",
        {
            "chat_id": chat_id,
            "title": offer.title,
            "description": offer.description,
            "payload": payload,
            "provider_token": "",
            "currency": "XTR",
            "prices": [{"label": offer.title, "amount": offer.stars}],
        },
    )


def allow_checkout(query_id: str) -> Call:
    """Let a payment go on."""
    return Call("answerPreCheckoutQuery", {"pre_checkout_query_id": query_id, "ok": True})


def refuse_checkout(query_id: str, reason: str) -> Call:
    """Stop a payment; the person reads the reason."""
    return Call(
        "answerPreCheckoutQuery",
        {"pre_checkout_query_id": query_id, "ok": False, "error_message": reason},
    )
