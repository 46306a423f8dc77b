"""Facts about messages: the sender's ledger. A delivery's state is a fold of these."""

from typing import ClassVar, Literal

from pydantic import NonNegativeInt, PositiveInt

from contracts.campaign import Kind, UncertainPolicy
from contracts.events.base import Event
from contracts.expiry import ExpireAction
from contracts.ids import CampaignId, Channel, DeliveryId, Instant, VariantId

FailureClass = Literal[
    "rate_limited",
    "not_connected",
    "restarting",
    "migrated",
    "content",
    "target",
    "too_large",
    "unauthorized",
    "lost",
    "no_bot",
]
SkipReason = Literal["expired", "channel_disabled", "dropped"]


class _MessageFact(Event):
    delivery: DeliveryId
    campaign: CampaignId
    channel: Channel
    variant: VariantId
    kind: Kind

    @property
    def key(self) -> str:
        return self.delivery


class _AttemptFact(_MessageFact):
    attempt: PositiveInt


class MessageClaimed(_AttemptFact):
    """`claimant` is about to send; nobody else may make this attempt.

    `mark` is the address of an invisible link that the message will carry, None where it carries
    none; `last_known_message_id` the highest id seen in the channel before: by both a lost message
    can be recognised later. (The first senders wrote a button's token there, which is no address
    and cannot be looked for.) `messages` is how many Telegram counts: an album is several.
    """

    type: ClassVar[str] = "fingerpost.message.claimed.v1"
    claimant: str
    claimed_at: Instant
    bot_id: int
    mark: str | None = None
    last_known_message_id: int | None = None
    messages: PositiveInt = 1

    @property
    def key(self) -> str:
        return f"{self.delivery}.{self.attempt}"


class MessageSent(_AttemptFact):
    """The delivery stands in the channel as `message_id`; nothing sends it again.

    `latency_ms` runs from the planned instant until Telegram took the message. `audience` is the
    channel's member count, None where it was not known in time. `reconciled`: the message was
    found later, as the answer to the send had been lost: by looking, or by `actor`, a person.
    `follow_up_id` is the message below an album. At `withdraw_at` the message is to be withdrawn as
    its due event says; `delete_previous`: those of its campaign before it are, too.
    """

    type: ClassVar[str] = "fingerpost.message.sent.v1"
    chat_id: int
    message_id: int
    sent_at: Instant
    latency_ms: int
    audience: NonNegativeInt | None = None
    reconciled: bool = False
    actor: str | None = None
    follow_up_id: int | None = None
    withdraw_at: Instant | None = None
    delete_previous: bool = False

    @property
    def cause(self) -> str:
        return f"message.claimed.{self.delivery}.{self.attempt}"


class _Outcome(_AttemptFact):
    description: str

    @property
    def key(self) -> str:
        return f"{self.delivery}.{self.attempt}"

    @property
    def cause(self) -> str:
        return f"message.claimed.{self.delivery}.{self.attempt}"


class MessageFailed(_Outcome):
    """Telegram certainly did not take this attempt; `retry_at` None: there will be no other.

    `lost`: the answer was lost, and the message is not in the channel; `actor` is the person who
    said so, None where the sender looked. `no_bot`: the sender has no bot of the campaign's name.
    """

    type: ClassVar[str] = "fingerpost.message.failed.v1"
    failure: FailureClass
    failed_at: Instant
    retry_at: Instant | None = None
    actor: str | None = None


class MessageUncertain(_Outcome):
    """Nobody could find out whether Telegram took this attempt; `policy` is what is done about it.

    `description` says why looking was not possible.
    """

    type: ClassVar[str] = "fingerpost.message.uncertain.v1"
    policy: UncertainPolicy


class MessageSkipped(_MessageFact):
    """The delivery will not be sent, or not be tried again.

    `expired`: its time is over; `dropped`: `actor`, a person, gave an uncertain one up.
    """

    type: ClassVar[str] = "fingerpost.message.skipped.v1"
    reason: SkipReason
    skipped_at: Instant
    actor: str | None = None


class MessageUnreadable(Event):
    """The sender cannot read what is due, message `sequence` of the log; `description` says why.

    Nothing is posted for it, and it is tried again: a newer sender may be able to.
    """

    type: ClassVar[str] = "fingerpost.message.unreadable.v1"
    delivery: DeliveryId
    sequence: PositiveInt
    description: str
    found_at: Instant

    @property
    def key(self) -> str:
        return self.delivery


class MessageWithdrawn(_MessageFact):
    """A message that was sent was edited, deleted or unpinned, as its campaign wants.

    `expired`: its time was over; `replaced`: a later message took its place. `absent`: somebody had
    removed it before; `refused`: Telegram does not let the bot, `description` says why, and nothing
    tries again.
    """

    type: ClassVar[str] = "fingerpost.message.withdrawn.v1"
    chat_id: int
    message_id: int
    action: ExpireAction
    reason: Literal["expired", "replaced"]
    outcome: Literal["done", "absent", "refused"]
    description: str = ""
    withdrawn_at: Instant

    @property
    def key(self) -> str:
        return f"{self.delivery}.{self.action}"

    @property
    def cause(self) -> str:
        return f"message.sent.{self.delivery}"
