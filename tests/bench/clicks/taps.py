"""Requests as Telegram and browsers send them, and the event that a tap becomes."""

import json
from datetime import UTC, datetime

from contracts.examples import GUIDE_DELIVERY, PROMO_DELIVERY, USER
from contracts.token import CtaRef, TokenSigner
from harness.sandboxes import CHANNEL

SECRET = "bench-secret"
KEY = "a secret of the bench"
SIGNER = TokenSigner({"k1": KEY.encode()})
TAPPED = SIGNER.sign(CtaRef(PROMO_DELIVERY, 1))
LINKED = SIGNER.sign(CtaRef(GUIDE_DELIVERY, 0))
_TEXT = "Premium signals: three trades a day, each with its reason and its risk. " * 4


def taps(count: int, *, first: int) -> list[bytes]:
    """Return POST requests of so many taps, each by another person; ids count from `first`."""
    return [_posted(_tap(number)) for number in range(first, first + count)]


def person(number: int) -> int:
    """Return who makes tap `number`."""
    return USER + number


def links(count: int) -> list[bytes]:
    """Return GET requests that follow one link."""
    request = (
        f"GET /r/{LINKED} HTTP/1.1\r\nHost: clicks.example.org\r\n"
        "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)\r\n\r\n"
    )
    return [request.encode()] * count


def _posted(update: bytes) -> bytes:
    head = (
        "POST /telegram/webhook HTTP/1.1\r\nHost: clicks.example.org\r\n"
        "Content-Type: application/json\r\nAccept-Encoding: gzip, deflate\r\n"
        f"X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\nContent-Length: {len(update)}\r\n\r\n"
    )
    return head.encode() + update


def _tap(number: int) -> bytes:
    posted = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    chat = {"id": CHANNEL, "title": "Signals", "username": "signals", "type": "channel"}
    message = {
        "message_id": 42,
        "sender_chat": chat,
        "chat": chat,
        "date": posted,
        "text": _TEXT,
        "reply_markup": {
            "inline_keyboard": [[{"text": "Remind me later", "callback_data": TAPPED}]]
        },
    }
    tapper = {
        "id": person(number),
        "is_bot": False,
        "first_name": "Ann",
        "username": f"ann{number}",
        "language_code": "en",
    }
    query = {
        "id": str((USER << 32) + number),
        "from": tapper,
        "message": message,
        "chat_instance": "-3912345678901234567",
        "data": TAPPED,
    }
    return json.dumps({"update_id": 100_000_000 + number, "callback_query": query}).encode()
