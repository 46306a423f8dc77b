"""The tables as data: their columns, what each means, and how a row is found and kept once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column with its meaning, which becomes its comment."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table of the projection; the first columns, `keys` in number, are its primary key.

    `changes`: a row that is there already is replaced; else the first one stays.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    keys: int = 1
    changes: bool = False
    indexes: tuple[str, ...] = ()

    @property
    def copied(self) -> bool:
        """Whether a row has the sequence of its event, by which the first of two is known."""
        return self.columns[self.keys].name == "sequence"

    @property
    def key(self) -> str:
        """The columns of the primary key, as SQL text."""
        return ", ".join(column.name for column in self.columns[: self.keys])


def _columns(*rows: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


_EVENT_ID = ("event_id", "text", "Id of the event in the log; an event makes one row, ever.")
_SEQUENCE = ("sequence", "bigint", "Place of the event in the log.")
_USER = (
    "user_id",
    "bigint",
    "Telegram id of the person; negative: somebody who was forgotten; null: nobody is known.",
)
_DELIVERY = ("delivery", "text", "Delivery whose message carries the CTA.")
_CTA = ("cta", "smallint", "Which CTA of the variant, counted from 0.")
# To find what is packed anew, and what a forgotten person did. It grows at its end only.
_BY_PLACE = "(sequence)"

DAY = "coalesce(day, (sent_at AT TIME ZONE 'UTC')::date)"
"""The date by which views group deliveries, as SQL; one whose plan was not read yet has no day."""

CAMPAIGNS = Table(
    "campaigns",
    "One row a campaign, as its newest definition and the newest decision about it say.",
    _columns(
        ("campaign", "text", "Id of the campaign."),
        ("kind", "text", "guide or promo."),
        ("title", "text", "Name for people."),
        ("zone", "text", "IANA time zone; the days of its deliveries are told by it."),
        ("revision", "integer", "Number of the newest definition, counted from 1."),
        ("state", "text", "active, paused or retired."),
        ("defined_at", "timestamptz", "When the newest definition was written to the log."),
        ("paused_until", "timestamptz", "End of the pause; null: until it is resumed."),
        ("note", "text", "Why it was paused, resumed or retired, in the owner's words."),
        ("actor", "text", "Who paused, resumed or retired it last."),
    ),
    changes=True,
)
VARIANTS = Table(
    "variants",
    "One row a variant: its newest content. It is in use while its revision is the campaign's.",
    _columns(
        ("campaign", "text", "Campaign that the variant belongs to."),
        ("variant", "text", "Id of the variant, unique within the campaign."),
        ("text", "text", "Text of the message."),
        ("ctas", "jsonb", "The tracked buttons, in their order."),
        ("revision", "integer", "Newest definition of the campaign that has this variant."),
    ),
    keys=2,
    changes=True,
)
DELIVERIES = Table(
    "deliveries",
    "One row a delivery: a slot in a channel, what was planned and what became of it.",
    _columns(
        ("delivery", "text", "Id of the delivery."),
        ("campaign", "text", "Campaign of the slot."),
        ("kind", "text", "guide or promo."),
        ("variant", "text", "Variant that was chosen; null where the slot was missed."),
        ("channel", "text", "Chat id or @username of the channel."),
        ("revision", "integer", "Definition of the campaign by which the slot was planned."),
        ("scheduled_for", "timestamptz", "The planned instant."),
        ("day", "date", "Date of the planned instant in the campaign's zone."),
        ("ordinal", "bigint", "Number of the slot on the campaign's grid."),
        ("trigger", "text", "schedule, catchup, backfill or manual."),
        ("expires_at", "timestamptz", "It is not posted after this."),
        ("state", "text", "due, claimed, sent, failed, skipped, uncertain or missed."),
        ("reason", "text", "Why it failed, waits, was skipped or missed, or the policy applied."),
        ("description", "text", "Telegram's words, or the sender's, on the last failure."),
        ("retry_at", "timestamptz", "When it is tried again, after a failure that passes."),
        ("attempts", "integer", "Attempts to send it so far."),
        ("sent_at", "timestamptz", "When Telegram took the message."),
        ("chat_id", "bigint", "Telegram id of the channel."),
        ("message_id", "bigint", "Id of the message in the channel."),
        ("latency_ms", "bigint", "Milliseconds from the planned instant until it was sent."),
        ("audience", "bigint", "Members of the channel when it was sent; null if unknown."),
        ("reconciled", "boolean", "The answer was lost, and the message found later."),
        ("bot", "text", "Which of the sender's bots posts it."),
        ("follow_up_id", "bigint", "Id of the message below an album, which carries the buttons."),
        ("withdraw_at", "timestamptz", "When the message is to be withdrawn; null: never."),
        ("withdrawal", "text", "edit, delete or unpin: how it was withdrawn; null: it was not."),
        ("withdrawal_reason", "text", "expired or replaced by a later message."),
        ("withdrawal_outcome", "text", "done, absent (gone before) or refused by Telegram."),
        ("withdrawn_at", "timestamptz", "When it was withdrawn; the state stays sent."),
    ),
    changes=True,
    indexes=(
        "(scheduled_for DESC NULLS LAST)",
        "(campaign, variant)",
        "(campaign, sent_at DESC)",
        f"({DAY})",
        "(state)",
    ),
)
CLICKS = Table(
    "clicks",
    "One row a tap of a CTA: taps by robots and repeated taps are here too.",
    _columns(
        _EVENT_ID,
        _SEQUENCE,
        _DELIVERY,
        _CTA,
        _USER,
        ("via", "text", "callback (a button that answers) or link."),
        ("verdict", "text", "human or robot; robots count in no total but robot_clicks."),
        ("rule", "integer", "Version of the rule that gave the verdict."),
        ("message_id", "bigint", "Message that was tapped; null for a link."),
        ("clicked_at", "timestamptz", "When it was tapped."),
    ),
    indexes=(
        # With the people, so that counting them reads the index alone.
        "(delivery, user_id) INCLUDE (verdict)",
        "(user_id, clicked_at DESC)",
        "(clicked_at)",
        _BY_PLACE,
    ),
)
STARTS = Table(
    "starts",
    "One row a start: a person came from a CTA into the chat with the bot.",
    _columns(
        _EVENT_ID,
        _SEQUENCE,
        _DELIVERY,
        _CTA,
        _USER,
        ("bot_id", "bigint", "Telegram id of the bot."),
        ("started_at", "timestamptz", "When the chat was opened."),
    ),
    indexes=("(delivery)", "(user_id, started_at DESC)", _BY_PLACE),
)
CONVERSIONS = Table(
    "conversions",
    "One row a conversion: a payment, subscription, renewal or join; or a refund.",
    _columns(
        _EVENT_ID,
        _SEQUENCE,
        ("source", "text", "System that the fact comes from, such as stars or stripe."),
        ("source_id", "text", "Its id there."),
        ("kind", "text", "payment, subscription, renewal, join or refund."),
        ("amount", "numeric", "Whole units of the currency; negative for a refund."),
        ("currency", "text", "Three letters; XTR for Telegram Stars."),
        _USER,
        ("delivery", "text", "Delivery that it is credited to; null where none is known."),
        ("cta", "smallint", "CTA that it is credited to, counted from 0."),
        ("click_id", "text", "Id of the followed link that led to it; null where unknown."),
        ("campaign", "text", "Campaign that led to it, where the payer's side named it."),
        ("channel", "text", "Channel that led to it, where the payer's side named it."),
        ("refund_of", "text", "source_id of the payment that is paid back."),
        ("paid_until", "timestamptz", "End of the period of a subscription."),
        ("occurred_at", "timestamptz", "When it happened."),
    ),
    indexes=("(delivery)", "(user_id, occurred_at DESC)", "(source, source_id)", _BY_PLACE),
)
FORGOTTEN = Table(
    "forgotten",
    "One row a person who was forgotten; what they did counts on, under a negative user_id.",
    _columns(
        _EVENT_ID,
        _SEQUENCE,
        ("request_id", "text", "Id of the request."),
        ("forgotten_at", "timestamptz", "When the person's events were removed."),
        ("counts", "jsonb", "What they had done, by delivery and CTA, naming nobody."),
        ("replaces", "jsonb", "Places in the log of the events that were removed."),
    ),
)
STRETCHES = Table(
    "stretches",
    "One row a stretch of the log: what people did, packed for the dashboard. Read clicks, starts"
    " and conversions instead.",
    _columns(
        ("stretch", "bigint", "Place of its events in the log, divided by 512."),
        ("since", "timestamptz", "When the earliest of them was made."),
        ("until", "timestamptz", "When the latest of them was made."),
        ("deliveries", "bytea", "The delivery of each: 8 bytes of the SHA-256 of its id."),
        ("people", "bytea", "Who made each: 8 bytes, the least number for nobody known."),
        ("moments", "bytea", "When each was made: 8 bytes, microseconds since 1970."),
        ("kinds", "bytea", "What each is: 0 a tap, 1 one by a robot, 2 a start, 3 a conversion."),
    ),
    changes=True,
)
QUARANTINE = Table(
    "quarantine",
    "One row a message of the log that could not be folded, as it stands there.",
    _columns(
        ("sequence", "bigint", "Its sequence in the log."),
        ("subject", "text", "Its subject."),
        ("headers", "json", "Its headers."),
        ("data", "bytea", "Its bytes."),
        ("reason", "text", "What is wrong with it."),
        ("dropped_at", "timestamptz", "When an operator gave it up; null: it waits for a retry."),
    ),
)

TABLES = (
    CAMPAIGNS,
    VARIANTS,
    DELIVERIES,
    CLICKS,
    STARTS,
    CONVERSIONS,
    FORGOTTEN,
    STRETCHES,
    QUARANTINE,
)
