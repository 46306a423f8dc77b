"""Puts content into the Bot API's words: one method call for it, and the file ids in its answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiogram.methods import (
    SendAnimation,
    SendDocument,
    SendMediaGroup,
    SendMessage,
    SendPhoto,
    SendVideo,
    TelegramMethod,
)
from aiogram.types import (
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    LinkPreviewOptions,
    Message,
    MessageEntity,
)

from contracts.campaign import Medium, Preview
from sender.domain.content import Button, Content

_MOST_KNOWN = 1_000
_PATIENCE = 3.0
"""How long to wait for another's fetch: longer, and a slow address would hold up all who use it."""
_STALE_TEXTS = ("wrong file identifier", "wrong file_id", "wrong remote file")


class FileIds:
    """What one bot calls the files that Telegram fetched for it; they are not fetched again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._fetching: dict[tuple[str, str], asyncio.Future[None]] = {}

    def source(self, medium: Medium) -> str:
        """Return how to name the file of `medium`: by its id if there is one, or its address."""
        if medium.file_id or not medium.url:
            return medium.file_id or ""
        return self._known.get((medium.kind, medium.url), medium.url)

    def learn(self, media: Sequence[Medium], messages: Sequence[Message]) -> None:
        """Keep the ids that stand in `messages`, one for each of `media`."""
        for medium, message in zip(media, messages, strict=False):
            file = message.photo[-1] if message.photo else getattr(message, medium.kind, None)
            if medium.url and file is not None:
                self._known[medium.kind, medium.url] = file.file_id
        while len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]

    @asynccontextmanager
    async def fetched_once(self, media: Sequence[Medium]) -> AsyncIterator[None]:
        """Wait a little for those who fetch one of `media`; meanwhile others wait for us.

        Nobody waits twice, whatever became of the first.
        """
        if others := [self._fetching[key] for key in self._new(media) if key in self._fetching]:
            await asyncio.wait(others, timeout=_PATIENCE)
        mine = self._new(media) - self._fetching.keys()
        fetched = asyncio.get_running_loop().create_future()
        self._fetching |= dict.fromkeys(mine, fetched)
        try:
            yield
        finally:
            for key in mine:
                del self._fetching[key]
            fetched.set_result(None)

    def _new(self, media: Sequence[Medium]) -> set[tuple[str, str]]:
        named: set[tuple[str, str]] = {(m.kind, m.url) for m in media if m.url and not m.file_id}
        return named - self._known.keys()

    def forget(self, media: Sequence[Medium], refusal: str) -> bool:
        """Drop the ids of `media` where `refusal` is about them; tell whether there were any."""
        if not any(part in refusal.lower() for part in _STALE_TEXTS):
            return False
        found = [self._known.pop((m.kind, m.url), None) for m in media if m.url]
        return any(found)


def request(
    chat: int | str, content: Content, files: FileIds, *, paid: bool = False
) -> TelegramMethod[Any]:
    """Return the one call that posts `content`, without what follows it."""
    place: dict[str, Any] = {
        "chat_id": chat,
        "message_thread_id": content.topic,
        "disable_notification": content.silent or None,
        "protect_content": content.protect or None,
        "allow_paid_broadcast": paid or None,
    }
    match content.media:
        case ():
            return SendMessage(
                **place,
                text=content.text,
                entities=_entities(content),
                parse_mode=None,
                link_preview_options=_preview(content.preview),
                reply_markup=_keyboard(content),
            )
        case (medium,):
            return _single(place, medium, content, files.source(medium))
        case _:
            return SendMediaGroup(**place, media=_album(content, files))


def _single(
    place: dict[str, Any], medium: Medium, content: Content, source: str
) -> TelegramMethod[Any]:
    fields = {**place, "reply_markup": _keyboard(content), **_caption(content)}
    spoiler = medium.spoiler or None
    match medium.kind:
        case "photo":
            return SendPhoto(**fields, photo=source, has_spoiler=spoiler)
        case "video":
            return SendVideo(**fields, video=source, has_spoiler=spoiler)
        case "animation":
            return SendAnimation(**fields, animation=source, has_spoiler=spoiler)
        case "document":
            return SendDocument(**fields, document=source)


def _album(content: Content, files: FileIds) -> list[Any]:
    # The caption of the first item is shown as the album's.
    captions = [_caption(content), *[{} for _ in content.media[1:]]]
    return [
        _item(medium, files.source(medium), caption)
        for medium, caption in zip(content.media, captions, strict=True)
    ]


def _item(medium: Medium, source: str, caption: dict[str, Any]) -> Any:
    spoiler = medium.spoiler or None
    match medium.kind:
        case "photo":
            return InputMediaPhoto(media=source, has_spoiler=spoiler, **caption)
        case "video":
            return InputMediaVideo(media=source, has_spoiler=spoiler, **caption)
        case _:
            return InputMediaDocument(media=source, **caption)


def _caption(content: Content) -> dict[str, Any]:
    return {
        "caption": content.text or None,
        "caption_entities": _entities(content),
        "parse_mode": None,
    }


def _entities(content: Content) -> list[MessageEntity] | None:
    return [MessageEntity(**entity) for entity in content.entities] or None


def _preview(preview: Preview | None) -> LinkPreviewOptions | None:
    if preview is None:
        return None
    if not preview.show:
        return LinkPreviewOptions(is_disabled=True)
    return LinkPreviewOptions(
        url=preview.url,
        prefer_small_media=(preview.size == "small") or None,
        prefer_large_media=(preview.size == "large") or None,
        show_above_text=preview.above or None,
    )


def _keyboard(content: Content) -> InlineKeyboardMarkup | None:
    if not content.buttons:
        return None
    rows = [[_button(button) for button in row] for row in content.rows]
    return InlineKeyboardMarkup(inline_keyboard=rows)


def _button(button: Button) -> InlineKeyboardButton:
    copied = CopyTextButton(text=button.copied) if button.copied else None
    return InlineKeyboardButton(
        text=button.label, callback_data=button.callback_data, url=button.url, copy_text=copied
    )
