"""What each exception of aiogram means for the message: a test for each row of the table."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiogram.exceptions import (
    ClientDecodeError,
    RestartingTelegram,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import SendMessage

from contracts.examples import SLOT
from sender.classification import classify
from sender.domain.outcomes import Outcome, Posted, Refused, Unknown

CHAT = -1001234567890
METHOD = SendMessage(chat_id=CHAT, text="hello")
KEY = aiohttp.client_reqrep.ConnectionKey("api.telegram.org", 443, True, True, None, None, None)


def error(kind: Any, text: str = "text", **fields: Any) -> Any:
    return kind(METHOD, text, **fields)


def network(cause: BaseException) -> TelegramNetworkError:
    problem = TelegramNetworkError(METHOD, f"{type(cause).__name__}: {cause}")
    problem.__cause__ = cause
    return problem


def unreadable(data: Any) -> ClientDecodeError:
    return ClientDecodeError("Failed to deserialize object", ValueError("no"), data)


def meaning(problem: Any) -> Outcome:
    return classify(problem, "text", CHAT, SLOT, timedelta(0))


@pytest.mark.parametrize(
    ("problem", "failure", "retry_after"),
    [
        (error(TelegramRetryAfter, retry_after=7), "rate_limited", 7),
        (error(TelegramAPIError, "Too Many Requests: retry later"), "rate_limited", 5),
        (error(TelegramMigrateToChat, migrate_to_chat_id=-100), "migrated", 0),
        (error(RestartingTelegram), "restarting", 2),
        (network(aiohttp.ClientConnectorError(KEY, OSError(111, "refused"))), "not_connected", 2),
        (network(aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown"))), "not_connected", 2),
        (network(aiohttp.ConnectionTimeoutError("connect")), "not_connected", 2),
        (error(TelegramUnauthorizedError), "unauthorized", 5),
        (error(TelegramNotFound), "unauthorized", 5),
        (error(TelegramEntityTooLarge), "too_large", None),
        (error(TelegramForbiddenError), "target", None),
        (error(TelegramBadRequest, "Bad Request: chat not found"), "target", None),
        (error(TelegramBadRequest, "Bad Request: message text is empty"), "content", None),
        (error(TelegramBadRequest, "Bad Request: can't parse entities"), "content", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_definite_refusal(problem: Any, failure: str, retry_after: int | None) -> None:
    outcome = meaning(problem)

    assert isinstance(outcome, Refused)
    assert outcome.failure == failure
    expected = None if retry_after is None else timedelta(seconds=retry_after)
    assert outcome.retry_after == expected


@pytest.mark.parametrize(
    ("kind", "text", "failure"),
    [
        # Every post there would be refused: the channel is disabled.
        (TelegramForbiddenError, "bot was kicked from the channel chat", "target"),
        (TelegramForbiddenError, "bot is not a member of the supergroup chat", "target"),
        (TelegramForbiddenError, "bot was blocked by the user", "target"),
        (TelegramForbiddenError, "user is deactivated", "target"),
        (TelegramForbiddenError, "bot can't initiate conversation with a user", "target"),
        (TelegramForbiddenError, "the group chat was deleted", "target"),
        (TelegramBadRequest, "chat not found", "target"),
        (TelegramBadRequest, "need administrator rights in the channel chat", "target"),
        (TelegramBadRequest, "have no rights to send a message", "target"),
        (TelegramBadRequest, "Have no write access to the chat", "target"),
        (TelegramBadRequest, "not enough rights", "target"),
        (TelegramBadRequest, "CHAT_WRITE_FORBIDDEN", "target"),
        (TelegramBadRequest, "CHAT_ADMIN_REQUIRED", "target"),
        (TelegramBadRequest, "CHAT_RESTRICTED", "target"),
        (TelegramBadRequest, "CHANNEL_PRIVATE", "target"),
        (TelegramBadRequest, "USER_BANNED_IN_CHANNEL", "target"),
        (TelegramBadRequest, "PEER_ID_INVALID", "target"),
        (TelegramBadRequest, "group chat was deactivated", "target"),
        # Another post may pass: this one fails alone.
        (TelegramBadRequest, "not enough rights to send text messages to the chat", "content"),
        (TelegramBadRequest, "not enough rights to send photos to the chat", "content"),
        (TelegramForbiddenError, "not enough rights to send videos to the chat", "content"),
        (TelegramBadRequest, "not enough rights to send polls to the chat", "content"),
        (TelegramBadRequest, "not enough rights to pin a message", "content"),
        (TelegramBadRequest, "CHAT_SEND_PHOTOS_FORBIDDEN", "content"),
        (TelegramBadRequest, "CHAT_SEND_PLAIN_FORBIDDEN", "content"),
        (TelegramBadRequest, "TOPIC_CLOSED", "content"),
        (TelegramBadRequest, "message thread not found", "content"),
        (TelegramBadRequest, "wrong file identifier/HTTP URL specified", "content"),
        (TelegramBadRequest, "BUTTON_DATA_INVALID", "content"),
    ],
)
def test_a_refusal_of_the_chat_is_told_from_one_of_the_post(
    kind: Any, text: str, failure: str
) -> None:
    prefix = "Forbidden" if kind is TelegramForbiddenError else "Bad Request"
    outcome = meaning(error(kind, f"{prefix}: {text}"))

    assert isinstance(outcome, Refused)
    assert (outcome.failure, outcome.retry_after) == (failure, None)


def test_a_chat_that_moved_says_where_to() -> None:
    outcome = meaning(error(TelegramMigrateToChat, migrate_to_chat_id=-100))

    assert isinstance(outcome, Refused)
    assert outcome.moved_to == -100


@pytest.mark.parametrize(
    "problem",
    [
        error(TelegramRetryAfter, retry_after=7),
        error(TelegramAPIError, "Too Many Requests: retry later"),
    ],
)
def test_a_flood_limit_after_a_long_call_says_nothing_about_the_message(problem: Any) -> None:
    """Telegram's server may have repeated the message by itself for up to 8 s before."""
    long, short = timedelta(seconds=7.1), timedelta(seconds=6.9)

    assert isinstance(classify(problem, "text", CHAT, SLOT, long), Unknown)
    assert isinstance(classify(problem, "text", CHAT, SLOT, short), Refused)


@pytest.mark.parametrize(
    "problem",
    [
        network(TimeoutError("total")),
        network(aiohttp.SocketTimeoutError("read")),
        network(aiohttp.ServerDisconnectedError()),
        network(aiohttp.ClientPayloadError("cut")),
        network(aiohttp.ClientOSError(104, "reset")),
        error(TelegramServerError, "Bad Gateway"),
        error(TelegramConflictError),
        error(TelegramAPIError, "Something new"),
        unreadable("<html>502 Bad Gateway</html>"),
        unreadable({"ok": False}),
        unreadable({"ok": True, "result": {"chat": {"id": CHAT}}}),
    ],
    ids=lambda problem: f"{type(problem).__name__}-{type(problem.__cause__).__name__}",
)
def test_an_unknown_outcome(problem: Any) -> None:
    assert isinstance(meaning(problem), Unknown)


def test_an_answer_of_ok_was_posted_even_if_the_rest_cannot_be_read() -> None:
    whole = unreadable({"ok": True, "result": {"message_id": 7, "chat": {"id": -5}}})
    without_chat = unreadable({"ok": True, "result": {"message_id": 7, "chat": None}})

    assert meaning(whole) == Posted(-5, 7, SLOT)
    assert meaning(without_chat) == Posted(CHAT, 7, SLOT)
