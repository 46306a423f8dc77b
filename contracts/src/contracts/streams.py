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


def _lane(kind: Kind) -> Consumer:
    return Consumer(
        durable=f"sender-{kind}",
        subjects=(f"{kind}.due.*",),
        ack="explicit",
        # A sender at work says so every 5 s; one that was killed is replaced after this time.
        ack_wait=timedelta(seconds=15),
        max_ack_pending=1_000,
    )


SENDER_GUIDE = _lane("guide")
SENDER_PROMO = _lane("promo")


def analytics_consumer(version: int) -> Consumer:
    """Return the consumer of one projection version: each version reads the log on its own."""
    return Consumer(
        durable=f"analytics-v{version}",
        subjects=(),
        ack="all",
        ack_wait=timedelta(seconds=30),
        max_ack_pending=10_000,
    )
