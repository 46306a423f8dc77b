"""The log and who reads it, as data. `chassis.topology` alone creates and changes them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from contracts.campaign import Kind
from contracts.events import EVENTS as EVENT_MODELS


@dataclass(frozen=True)
class Stream:
    """A JetStream stream on file storage without age or size limit."""

    name: str
    subjects: tuple[str, ...]
    duplicate_window: timedelta


@dataclass(frozen=True)
class Consumer:
    """A durable pull consumer; `durable` names who reads, no `subjects` means all of them."""

    durable: str
    subjects: tuple[str, ...]
    ack: Literal["explicit", "all"]
    ack_wait: timedelta
    max_ack_pending: int


EVENTS = Stream(
    name="EVENTS",
    subjects=tuple(f"{model.fact()}.>" for model in EVENT_MODELS),
    duplicate_window=timedelta(hours=1),
)


@dataclass(frozen=True)
class Bucket:
    """A key-value bucket whose keys run out so long after they were last written."""

    name: str
    lifetime: timedelta


def _lane(kind: Kind) -> Consumer:
    return Consumer(
        durable=f"sender-{kind}",
        subjects=(f"{kind}.due.*",),
        ack="explicit",
        # A sender at work says so every 3 s; what one that was killed had in hand comes back then.
        ack_wait=timedelta(seconds=9),
        # What waits for its chat counts too, and must not keep others out.
        max_ack_pending=50_000,
    )


SENDER_GUIDE = _lane("guide")
SENDER_PROMO = _lane("promo")

SENDER_SENT = Consumer(
    durable="sender-sent",
    subjects=("message.sent.*",),
    ack="explicit",
    ack_wait=timedelta(seconds=9),
    # A message that is to be withdrawn one day waits here until then.
    max_ack_pending=500_000,
)

SENDER_LEASE = Bucket(name="sender_lease", lifetime=timedelta(seconds=8))
"""Who sends for a bot: one key each, by the bot's id."""
SENDER_SPENDING = Bucket(name="sender_spending", lifetime=timedelta(days=3))
"""How many sends a bot may have paid for: one key for each bot and day."""
CLICKS_LEASE = Bucket(name="clicks_lease", lifetime=timedelta(seconds=8))
"""Who polls the updates of a bot: one key each, by the bot's id."""
CLICKS_STARS = Bucket(name="clicks_stars", lifetime=timedelta(days=365))
"""How far the Star transactions of a bot were compared with the log: one key each, by its id."""
CLICKS_STRIPE = Bucket(name="clicks_stripe", lifetime=timedelta(days=7))
"""What Stripe said before what it follows, by the id of that: it repeats events for three days."""


CONSUMERS = (SENDER_GUIDE, SENDER_PROMO, SENDER_SENT)
"""Every consumer but those of analytics, which makes one for each version of its tables."""
BUCKETS = (SENDER_LEASE, SENDER_SPENDING, CLICKS_LEASE, CLICKS_STARS, CLICKS_STRIPE)


def analytics_consumer(version: int) -> Consumer:
    """Return the consumer of one projection version: each version reads the log on its own."""
    return Consumer(
        durable=f"analytics-v{version}",
        subjects=(),
        ack="all",
        ack_wait=timedelta(seconds=30),
        max_ack_pending=10_000,
    )
