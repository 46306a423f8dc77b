"""What the bot says with a button whose address only Telegram can make, when it is said."""

from dataclasses import dataclass
from datetime import timedelta

from clicks.domain.calls import Call
from clicks.domain.words import Words
from contracts.campaign import JoinCta, StarsOffer
from contracts.token import CtaRef

PERIOD = timedelta(days=30)
"""The only period that Telegram lets a subscription have (Bot API docs, createInvoiceLink)."""


@dataclass(frozen=True)
class Linked(Call):
    """A message whose button with the `label` leads to an address that is not there yet.

    `excuse` is said in its place where there is none to be had.
    """

    label: str
    excuse: str

    def leading_to(self, url: str) -> Call:
        """Return the message with its button."""
        markup = {"inline_keyboard": [[{"text": self.label, "url": url}]]}
        return Call(self.method, {**self.parameters, "reply_markup": markup})

    def excused(self) -> Call:
        """Return the message that says so."""
        return Call(self.method, {**self.parameters, "text": self.excuse})


@dataclass(frozen=True)
class SubscriptionOffer(Linked):
    """Leads to an invoice: the call `invoice` makes its link."""

    invoice: Call


@dataclass(frozen=True)
class Invitation(Linked):
    """Leads into the chat of a JoinCta, by the invite link of the campaign and channel of `ref`."""

    ref: CtaRef


def subscription_offer(
    chat_id: int, offer: StarsOffer, payload: str, words: Words
) -> SubscriptionOffer:
    """Offer a subscription: Telegram takes its period for a link only, not for a message."""
    invoice = Call(
        "createInvoiceLink",
        {
            "title": offer.title,
            "description": offer.description,
            "payload": payload,
            "provider_token": "",
            "currency": "XTR",
            "prices": [{"label": offer.title, "amount": offer.stars}],
            "subscription_period": int(PERIOD.total_seconds()),
        },
    )
    message = {"chat_id": chat_id, "text": f"{offer.title}\n{offer.description}"}
    label = words.subscribe.format(offer.stars)
    return SubscriptionOffer("sendMessage", message, label, words.later, invoice)


def invitation(chat_id: int, cta: JoinCta, ref: CtaRef, words: Words) -> Invitation:
    """Hand over the invite link that belongs to what the person came from."""
    message = {"chat_id": chat_id, "text": words.come_in}
    return Invitation("sendMessage", message, cta.label, words.later, ref)
