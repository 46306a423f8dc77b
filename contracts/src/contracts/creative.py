"""A creative: what one post shows, and every rule by which Telegram would refuse it.

The rules on the content hold in files only. What the log holds is read as it was written then.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)

from contracts import placeholders
from contracts.ids import Channel, VariantId
from contracts.marks import Entity
from contracts.markup import FORMATS, Formatted, parse
from contracts.reading import FILE, Plan, Problem, Whole, YesOrNo, either, of_files, problems

TEXT_LIMIT = 4096
"""Characters of a message's text, counted in UTF-16 code units: the stricter of two ways."""

CAPTION_LIMIT = 1024
"""The same of the text below a photo, video, animation, document or album (Bot API docs)."""

ENTITY_LIMIT = 100
"""Telegram passes over further entities without a word (Bot API docs)."""

BUTTON_LIMIT = 99
"""Telegram takes 100; the place of the last one is kept for the mark of the message itself."""

ROW_LIMIT = 8
ALBUM_SIZES = range(2, 11)

_HIGHEST_PORT = 65_535
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Zs"}
_INVISIBLE_SIGNS = {"\u2800", "\ufffc"}
"""A blank pattern and a placeholder, which Telegram counts as spaces."""

_IN_APP = re.compile(r"(tg|ton|tonsite)://\S+")


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http(s) address such as https://example.org/offer")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("must be an address without spaces and line breaks")
    return url


def _posted_address(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    name, _, last = host.rpartition(".")
    if not (name and last) and ":" not in host:
        raise ValueError(
            f"Telegram refuses the host {host!r}: write a name with a dot or an IP address,"
            " such as https://example.org/offer"
        )
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"the port must be a number from 1 to {_HIGHEST_PORT}; correct it")
    return url


def _without_user(url: str) -> str:
    if "@" in urlsplit(url).netloc:
        raise ValueError("must name no user; remove what stands before the @, and the @")
    return url


def _fits_message(text: str) -> str:
    length = len(text.encode("utf-16-le")) // 2
    if length > TEXT_LIMIT:
        raise ValueError(f"text is {length} characters long; Telegram takes {TEXT_LIMIT}")
    return text


def visible(text: str) -> str:
    """Return `text`; raises ValueError where a person would see nothing."""
    for character in text:
        unseen = unicodedata.category(character) in _INVISIBLE_CATEGORIES
        if not unseen and character not in _INVISIBLE_SIGNS:
            return text
    raise ValueError("shows nothing, and Telegram refuses it; add a character that people see")


def known_format(form: str) -> str:
    """Return `form`; raises ValueError where no text can be written in it."""
    if form not in FORMATS:
        raise ValueError(f"unknown format {form!r}; write {', '.join(FORMATS[:-1])} or markdown")
    return form


def _no_preview(value: object) -> object:
    return {"show": False} if value == "off" else value


WebAddress = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_web_address)]
PostedAddress = Annotated[WebAddress, AfterValidator(_posted_address)]
"""A web address that Telegram takes for a button."""

Label = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, strip_whitespace=True),
    of_files(visible),
]
Greeting = Annotated[
    str,
    StringConstraints(min_length=1, max_length=TEXT_LIMIT, strip_whitespace=True),
    AfterValidator(_fits_message),
    of_files(visible),
]
Target = Annotated[WebAddress, of_files(_posted_address), of_files(_without_user)]
Answer = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
"""A person's language, as the first part of its IETF tag: de, pt, uk."""


class StarsOffer(Plan):
    """A Telegram Stars invoice that the bot shows to a person who opened it.

    `subscription`: it is paid every 30 days, the only period that Telegram knows.
    """

    title: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    description: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    stars: Annotated[int, Field(ge=1, le=10_000), Whole]
    subscription: YesOrNo = False


class CallbackCta(Plan):
    """A button that answers with a short text where the person is, in a language of `answers`."""

    kind: Literal["callback"]
    label: Label
    answer: Answer
    answers: dict[Language, Answer] = Field(default_factory=dict)
    alert: YesOrNo = False
    beside: YesOrNo = False


class BotCta(Plan):
    """A button that opens the chat with the bot, which greets and makes its offer."""

    kind: Literal["bot"]
    label: Label
    greeting: Greeting
    greetings: dict[Language, Greeting] = Field(default_factory=dict)
    target: Target | None = None
    offer: StarsOffer | None = None
    beside: YesOrNo = False


class DeepLinkCta(Plan):
    """A button that opens the chat with the bot by its address: Telegram asks nobody before.

    The bot then does what it does for a BotCta. The tap itself is not seen, the start is.
    """

    kind: Literal["deep_link"]
    label: Label
    greeting: Greeting
    greetings: dict[Language, Greeting] = Field(default_factory=dict)
    target: Target | None = None
    offer: StarsOffer | None = None
    beside: YesOrNo = False


class LinkCta(Plan):
    """A button that leads to a web page through Fingerpost's redirect.

    `utm`: the address gets UTM parameters and the id of the click, so that the page can tell where
    the person came from.
    """

    kind: Literal["link"]
    label: Label
    target: Target
    utm: YesOrNo = True
    beside: YesOrNo = False


class JoinCta(Plan):
    """A button that invites into `chat`, by a link of its own for each campaign and channel.

    `by_request`: whoever follows it asks to join, and the bot lets them in.
    """

    kind: Literal["join"]
    label: Label
    chat: Channel
    by_request: YesOrNo = False
    beside: YesOrNo = False


class CopyCta(Plan):
    """A button that copies a text, such as a voucher's code; nobody learns who tapped it."""

    kind: Literal["copy"]
    label: Label
    copied: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    beside: YesOrNo = False


Cta = Annotated[
    CallbackCta | BotCta | DeepLinkCta | LinkCta | JoinCta | CopyCta,
    Field(discriminator="kind", json_schema_extra=either),
]


class Medium(Plan):
    """A photo, video, animation or document that Telegram fetches from `url`, or already has.

    Nothing is uploaded: the sender runs where the files of the plan's author are not.
    """

    kind: Literal["photo", "video", "animation", "document"]
    url: Target | None = None
    file_id: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=256)] | None
    ) = None
    spoiler: YesOrNo = False

    @model_validator(mode="after")
    def _one_source(self, info: ValidationInfo) -> Self:
        if info.context is not FILE:
            return self
        if (self.url is None) == (self.file_id is None):
            raise problems(((), "needs one source: url, or file_id; give one of them"))
        if self.spoiler and self.kind == "document":
            raise problems((("spoiler",), "counts for what is shown only; remove it"))
        return self


class Preview(Plan):
    """The preview of a link in the text: of the first, or of `url`; `show` false: none."""

    show: YesOrNo = True
    url: Target | None = None
    size: Literal["small", "large"] | None = None
    above: YesOrNo = False


Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Format = Annotated[str, of_files(known_format)]


class Variant(Plan):
    """One creative of a campaign: a text in its format, media, and its buttons.

    `ctas` is one list, and the place in it is what a CTA is known by; `beside` says which of them
    share a row. `album_text` carries the buttons of an album, which takes none itself.
    """

    id: VariantId
    text: Text = ""
    format: Format = "plain"
    placeholders: YesOrNo = False
    media: Medium | None = None
    album: tuple[Medium, ...] = ()
    album_text: Text | None = None
    preview: Annotated[Preview, BeforeValidator(_no_preview)] | None = None
    silent: YesOrNo = False
    protect: YesOrNo = False
    pin: YesOrNo = False
    topic: Annotated[int, Field(ge=1), Whole] | None = None
    ctas: Annotated[tuple[Cta, ...], Field(max_length=BUTTON_LIMIT)] = ()
    weight: Annotated[int, Field(ge=1, le=100), Whole] = 1

    @model_validator(mode="after")
    def _can_be_posted(self, info: ValidationInfo) -> Self:
        if info.context is FILE and (found := list(faults(self))):
            raise problems(*found)
        return self

    @property
    def attachments(self) -> tuple[Medium, ...]:
        """The media, one or an album."""
        return (self.media,) if self.media else self.album

    @property
    def tracked(self) -> bool:
        """Whether a tap of one of its buttons can be counted."""
        return any(not isinstance(cta, CopyCta) for cta in self.ctas)


def faults(variant: Variant) -> Iterator[Problem]:
    """Yield what Telegram would refuse, each with its place; texts as far as they are known."""
    yield from _faulty_texts(variant)
    yield from _faulty_media(variant)
    yield from _faulty_rows(variant)
    if variant.preview and variant.attachments:
        yield ("preview",), "counts for a post without media only; remove it"


def _faulty_texts(variant: Variant) -> Iterator[Problem]:
    found = _faulty_text(variant, variant.text, below_media=bool(variant.attachments))
    yield from ((("text",), remedy) for remedy in found)
    if variant.album_text is not None:
        found = _faulty_text(variant, variant.album_text, below_media=False)
        yield from ((("album_text",), remedy) for remedy in found)


def _faulty_text(variant: Variant, text: str, *, below_media: bool) -> Iterator[str]:
    if not text:
        if not below_media:
            yield "is empty; write a text, or add media"
        return
    if variant.placeholders and (fault := placeholders.fault(text)):
        yield fault
        return
    try:
        formatted = parse(
            placeholders.sample(text) if variant.placeholders else text, variant.format
        )
        visible(formatted.text)
    except ValueError as error:
        yield str(error)
        return
    yield from too_much(formatted, CAPTION_LIMIT if below_media else TEXT_LIMIT)
    yield from filter(None, map(_link_fault, formatted.entities))


def too_much(formatted: Formatted, limit: int) -> Iterator[str]:
    """Yield what is more in `formatted` than Telegram takes, `limit` counting its characters."""
    if formatted.length > limit:
        place = " below media" if limit == CAPTION_LIMIT else ""
        yield f"text is {formatted.length} characters long; Telegram takes {limit}{place}"
    if len(formatted.entities) > ENTITY_LIMIT:
        yield f"has {len(formatted.entities)} marks; Telegram takes {ENTITY_LIMIT}: remove some"


def _link_fault(entity: Entity) -> str | None:
    url = entity.get("url")
    if url is None or _IN_APP.fullmatch(url):
        return None
    try:
        _posted_address(_web_address(url))
    except ValueError as error:
        return f"the link {url!r} {error}"
    return None


def _faulty_media(variant: Variant) -> Iterator[Problem]:
    if variant.media and variant.album:
        yield ("album",), "stands beside media; remove one of them"
    if "album" in variant.model_fields_set and len(variant.album) not in ALBUM_SIZES:
        yield ("album",), "an album has 2 to 10 items; write a single one as media"
    kinds = {medium.kind for medium in variant.album}
    if "animation" in kinds:
        yield ("album",), "an album takes no animation; post it as media"
    elif "document" in kinds and len(kinds) > 1:
        yield ("album",), "documents share an album with documents only; split it"
    if variant.album and variant.ctas and variant.album_text is None:
        remedy = "an album takes no buttons: write album_text, the message below it that has them"
        yield ("album_text",), remedy
    if variant.album_text is not None and not (variant.album and variant.ctas):
        yield ("album_text",), "counts for an album with ctas only; remove it"


def _faulty_rows(variant: Variant) -> Iterator[Problem]:
    row = 0
    for place, cta in enumerate(variant.ctas):
        row = row + 1 if cta.beside else 1
        if cta.beside and place == 0:
            yield ("ctas", 0, "beside"), "the first button has none beside it; remove it"
        elif row > ROW_LIMIT:
            yield ("ctas", place, "beside"), f"a row takes {ROW_LIMIT} buttons; begin another one"
