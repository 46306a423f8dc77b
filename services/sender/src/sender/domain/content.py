"""What a delivery looks like in Telegram: its text, its media and its tracked buttons. Pure."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import assert_never

from contracts.campaign import (
    TEXT_LIMIT,
    BotCta,
    CallbackCta,
    CopyCta,
    Cta,
    DeepLinkCta,
    JoinCta,
    LinkCta,
    Medium,
    Preview,
    Variant,
)
from contracts.creative import CAPTION_LIMIT, ENTITY_LIMIT
from contracts.ids import DeliveryId
from contracts.marks import Entity
from contracts.markup import Formatted, parse
from contracts.token import CtaRef, TokenSigner
from sender.domain.looking import HIDDEN, mark_of

_read = lru_cache(maxsize=256)(parse)
"""A variant is read once, and not for every channel that it goes to."""
_ADDRESS = re.compile(
    r"(?:https?://|(?<![@\w.-])(?:[\w-]+\.)+[a-z]{2,}\b(?!@))[^\s<>\"]*", re.IGNORECASE
)
"""What Telegram may take for a link by itself: with a scheme, or a name such as example.org."""


@dataclass(frozen=True)
class Button:
    """An inline button: callback data, a web address or a text to copy, never two (Bot API docs).

    `beside`: it shares the row of the button before it.
    """

    label: str
    callback_data: str | None = None
    url: str | None = None
    copied: str | None = None
    beside: bool = False


@dataclass(frozen=True)
class Content:
    """What is posted: a text with its entities, or media with the text as their caption.

    `mark` is the address under an invisible link on the first character of the text, None where
    there is none. `follow_up` is a second message, with the buttons that an album cannot have.
    `fault` says why there is nothing to post, where the variant cannot be read.
    """

    text: str
    buttons: tuple[Button, ...] = ()
    mark: str | None = None
    entities: tuple[Entity, ...] = ()
    media: tuple[Medium, ...] = ()
    preview: Preview | None = None
    silent: bool = False
    protect: bool = False
    pin: bool = False
    topic: int | None = None
    follow_up: "Content | None" = None
    fault: str | None = None

    @property
    def rows(self) -> list[list[Button]]:
        """The buttons as they stand in the keyboard."""
        rows: list[list[Button]] = []
        for button in self.buttons:
            if button.beside and rows:
                rows[-1].append(button)
            else:
                rows.append([button])
        return rows

    @property
    def messages(self) -> int:
        """How many messages Telegram counts: each item of an album, and the one below it."""
        return max(1, len(self.media)) + (1 if self.follow_up else 0)


@dataclass(frozen=True)
class ButtonMaker:
    """Makes the tracked buttons of a delivery.

    A link leads through clicks at `public_url`; without a public address it leads to the bot,
    which then offers the target: nobody's tap goes uncounted.
    """

    signer: TokenSigner
    bot_username: str
    public_url: str | None

    def content(self, variant: Variant, delivery: DeliveryId) -> Content:
        """Return what `delivery` posts; a variant that cannot be read is a fault, not an error."""
        try:
            text = _read(variant.text, variant.format)
            below = _read(variant.album_text or "", variant.format)
        except ValueError as error:
            return Content("", fault=f"the text of variant {variant.id}: {error}")
        buttons = tuple(
            self._button(cta, self.token(delivery, place)) for place, cta in enumerate(variant.ctas)
        )
        content = Content(
            text.text,
            buttons,
            entities=text.entities,
            media=variant.attachments,
            preview=variant.preview,
            silent=variant.silent,
            protect=variant.protect,
            pin=variant.pin,
            topic=variant.topic,
        )
        if variant.album and buttons:
            mark = mark_of(self.signer, self.bot_username, delivery, "below")
            follow_up = _marked(_below(content, below), mark)
            content = replace(content, buttons=(), follow_up=follow_up)
        return _marked(content, mark_of(self.signer, self.bot_username, delivery))

    def token(self, delivery: DeliveryId, place: int) -> str:
        """Return the token of one CTA of `delivery`."""
        return self.signer.sign(CtaRef(delivery, place))

    def _button(self, cta: Cta, token: str) -> Button:
        match cta:
            case CallbackCta() | BotCta():
                return Button(cta.label, callback_data=token, beside=cta.beside)
            case LinkCta() | JoinCta() if self.public_url:
                url = f"{self.public_url.rstrip('/')}/r/{token}"
                return Button(cta.label, url=url, beside=cta.beside)
            case LinkCta() | JoinCta() | DeepLinkCta():
                url = f"https://t.me/{self.bot_username}?start={token}"
                return Button(cta.label, url=url, beside=cta.beside)
            case CopyCta():
                return Button(cta.label, copied=cta.copied, beside=cta.beside)
        assert_never(cta)


def _below(album: Content, text: Formatted) -> Content:
    """Return the message with the buttons of `album`; nobody is told of it a second time."""
    return Content(
        text.text,
        album.buttons,
        entities=text.entities,
        silent=True,
        protect=album.protect,
        topic=album.topic,
    )


def _marked(content: Content, mark: str) -> Content:
    """Put the invisible link before the text, where there is room for it."""
    limit = CAPTION_LIMIT if content.media else TEXT_LIMIT
    if not (content.text.strip() or content.media):
        return content  # Telegram is to refuse it, and say why
    if Formatted(content.text).length >= limit or len(content.entities) >= ENTITY_LIMIT:
        return content
    link = {"type": "text_link", "offset": 0, "length": len(HIDDEN), "url": mark}
    moved = ({**entity, "offset": entity["offset"] + len(HIDDEN)} for entity in content.entities)
    return replace(
        content,
        text=HIDDEN + content.text,
        entities=(link, *moved),
        mark=mark,
        preview=None if content.media else _visible_preview(content),
    )


def _visible_preview(content: Content) -> Preview:
    """Keep Telegram from showing a preview of the invisible link, which it would meet first."""
    wanted = content.preview or Preview()
    if not wanted.show or wanted.url:
        return wanted
    first = _first_link(content)
    return wanted.model_copy(update={"url": first} if first else {"show": False})


def _first_link(content: Content) -> str | None:
    plain = _ADDRESS.search(content.text)
    before = Formatted(content.text[: plain.start()]).length if plain else None
    for entity in sorted(content.entities, key=lambda entity: entity["offset"]):
        if "url" in entity and (before is None or entity["offset"] <= before):
            return str(entity["url"])
    if plain is None:
        return None
    address = plain[0].rstrip(".,!?;:)'\"")
    return address if "://" in address else f"http://{address}"
