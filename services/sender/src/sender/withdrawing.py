"""Edits, deletes and unpins what stands in a chat: one call, and how it ended in our words."""

from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import aiohttp
from aiogram.exceptions import AiogramError
from aiogram.methods import (
    DeleteMessage,
    DeleteMessages,
    EditMessageCaption,
    EditMessageReplyMarkup,
    EditMessageText,
    TelegramMethod,
    UnpinChatMessage,
)
from aiogram.types import LinkPreviewOptions, MessageEntity

from sender.classification import classify
from sender.domain.afterlife import Delete, Say, Step, TakeButtons, Unpin
from sender.domain.outcomes import Outcome, Posted
from sender.telegram import Telegram

_TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=5)


async def act(telegram: Telegram, chat_id: int, step: Step, now: datetime) -> Outcome:
    """Do `step` once; never raises for what Telegram does. Posted: it is as `step` wants it."""
    begun = monotonic()
    try:
        await telegram.bot(
            call(chat_id, step),
            request_timeout=_TIMEOUT,  # type: ignore[arg-type] # aiohttp takes it
        )
    except AiogramError as error:
        lasted = timedelta(seconds=monotonic() - begun)
        return classify(error, telegram.explain(error), chat_id, now, lasted)
    return Posted(chat_id, _message_of(step), now)


def call(chat_id: int, step: Step) -> TelegramMethod[Any]:
    """Return the one call that does `step`. An edit that gives no buttons takes them away."""
    match step:
        case Say(caption=True):
            return EditMessageCaption(
                chat_id=chat_id,
                message_id=step.message_id,
                caption=step.text,
                caption_entities=_entities(step),
                parse_mode=None,
            )
        case Say():
            return EditMessageText(
                chat_id=chat_id,
                message_id=step.message_id,
                text=step.text,
                entities=_entities(step),
                parse_mode=None,
                # A message whose time is over needs no picture of where it leads.
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        case TakeButtons():
            return EditMessageReplyMarkup(chat_id=chat_id, message_id=step.message_id)
        case Delete(message_ids=(single,)):
            # Of one message Telegram says whether it was there.
            return DeleteMessage(chat_id=chat_id, message_id=single)
        case Delete():
            return DeleteMessages(chat_id=chat_id, message_ids=list(step.message_ids))
        case Unpin():
            return UnpinChatMessage(chat_id=chat_id, message_id=step.message_id)


def _message_of(step: Step) -> int:
    return step.message_ids[0] if isinstance(step, Delete) else step.message_id


def _entities(said: Say) -> list[MessageEntity] | None:
    return [MessageEntity(**entity) for entity in said.entities] or None
