"""What a delivery looks like in Telegram: its text and its tracked buttons. Pure."""

from dataclasses import dataclass
from typing import assert_never

from contracts.campaign import BotCta, CallbackCta, Cta, LinkCta, Variant
from contracts.ids import DeliveryId
from contracts.token import CtaRef, TokenSigner


@dataclass(frozen=True)
class Button:
    """An inline button: callback data or a web address, never both (Bot API docs)."""

    label: str
    callback_data: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Content:
    """What is posted: a plain text and one button a row."""

    text: str
    buttons: tuple[Button, ...]


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
        """Return what `delivery` posts."""
        buttons = (
            self._button(cta, self.token(delivery, place)) for place, cta in enumerate(variant.ctas)
        )
        return Content(variant.text, tuple(buttons))

    def token(self, delivery: DeliveryId, place: int) -> str:
        """Return the token of one CTA of `delivery`."""
        return self.signer.sign(CtaRef(delivery, place))

    def _button(self, cta: Cta, token: str) -> Button:
        match cta:
            case CallbackCta() | BotCta():
                return Button(cta.label, callback_data=token)
            case LinkCta() if self.public_url:
                return Button(cta.label, url=f"{self.public_url.rstrip('/')}/r/{token}")
            case LinkCta():
                return Button(cta.label, url=f"https://t.me/{self.bot_username}?start={token}")
        assert_never(cta)
