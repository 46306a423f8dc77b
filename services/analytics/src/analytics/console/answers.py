"""What commands answer, as values. Field names are those of `--json`; moments are UTC."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from analytics.builder import Built
from analytics.domain.statistics import Comparison
from analytics.quarantine import Held, Retried
from analytics.verifier import Verified

State = Literal["live", "building", "built", "replaced"]


@dataclass(frozen=True)
class VersionStatus:
    """One version: what it is for, how far it is, and whether anything moves it on.

    `fold` is the number of its tables and fold. `rate` is in events a second, as seen just now.
    """

    version: int
    state: State
    fold: int
    ours: bool
    checkpoint: int
    behind: int
    updated_at: datetime | None
    worked_on: bool
    rate: float
    seconds_left: float | None
    quarantined: int
    dropped: int


@dataclass(frozen=True)
class Status:
    """`status`: the log's last sequence, and every version."""

    last_sequence: int
    versions: tuple[VersionStatus, ...]


@dataclass(frozen=True)
class Rebuilt:
    """`rebuild`: the version that was built, and whether it is as the one before it."""

    built: Built
    equal: bool


@dataclass(frozen=True)
class Verification:
    """`verify`: each table held against the log; `clean`: no row differs."""

    version: int
    checkpoint: int
    tables: tuple[Verified, ...]
    clean: bool


@dataclass(frozen=True)
class Dropped:
    """`drop`: a version that is gone."""

    version: int


@dataclass(frozen=True)
class Quarantined:
    """`quarantine list`, in the log's order."""

    version: int
    messages: tuple[Held, ...]


@dataclass(frozen=True)
class Retries:
    """`quarantine retry`: what became of each message."""

    messages: tuple[Retried, ...]


@dataclass(frozen=True)
class GivenUp:
    """`quarantine drop`: the messages that no longer wait."""

    sequences: tuple[int, ...]


@dataclass(frozen=True)
class Forgotten:
    """`forget`: how many people, how many acts count on for nobody, how many events are erased."""

    people: int
    acts: int
    erased: int


@dataclass(frozen=True)
class Archived:
    """`archive`: what was moved out of the log now, or would be (`dry_run`).

    `through` is the last of its sequences, and `held_by` what kept more of it in the log. `memory`
    is what the broker saves, about; `stream_bytes` what the log took before and takes now. `files`
    and `archived` are of the whole archive.
    """

    folder: str
    dry_run: bool
    events: int
    by_fact: dict[str, int]
    through: int
    held_by: str | None
    bytes: int
    memory: int
    stream_bytes: tuple[int, int]
    files: int
    archived: int


@dataclass(frozen=True)
class Figures:
    """What posts came to; `variant` None: all together, people counted once over all of them.

    `rate` is of the people who tapped, those who converted, with its 95 % interval.
    """

    variant: str | None
    sent: int
    audience: int | None
    clicks: int
    people: int
    starters: int
    starts: int
    conversions: int
    converted: int
    buyers: int
    rate: float | None
    rate_low: float | None
    rate_high: float | None
    revenue: dict[str, Decimal]


@dataclass(frozen=True)
class Report:
    """`report`: a campaign's posts planned since a moment, by variant, and what they came to.

    `elsewhere` conversions named the campaign, and are due to none of its posts.
    """

    campaign: str
    title: str | None
    kind: str | None
    zone: str
    since: datetime | None
    variants: tuple[Figures, ...]
    total: Figures | None
    elsewhere: int
    comparisons: tuple[Comparison, ...]
    checkpoint: int


@dataclass(frozen=True)
class Click:
    """One tap; `user_id` None: of a link, which names nobody."""

    clicked_at: datetime
    user_id: int | None
    campaign: str | None
    variant: str | None
    channel: str | None
    delivery: str
    cta: int
    via: str


@dataclass(frozen=True)
class Clicks:
    """`clicks`: how many taps there are, by how many known people, and the newest of them."""

    clicks: int
    people: int
    newest: tuple[Click, ...]


Kept = Status | Rebuilt | Verification | Dropped | Quarantined | Retries | GivenUp
Answer = Kept | Archived | Forgotten | Report | Clicks


def succeeded(answer: Answer) -> bool:
    """Whether what was asked for is so, or was done."""
    match answer:
        case Rebuilt():
            return answer.equal or answer.built.shown
        case Verification():
            return answer.clean
        case Retries():
            return all(message.folded for message in answer.messages)
        case _:
            return True
