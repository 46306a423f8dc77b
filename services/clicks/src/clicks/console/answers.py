"""What commands answer, as values. Field names are those of `--json`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """The webhook as Telegram has it, and how that differs from what the settings want.

    `url` is empty where none is set; `allowed_updates` where Telegram sends its default kinds;
    `max_connections` is None where Telegram does not say.
    """

    url: str
    pending: int
    last_error: str | None
    last_error_age_seconds: int | None
    allowed_updates: tuple[str, ...]
    differences: tuple[str, ...]
    max_connections: int | None = None


@dataclass(frozen=True)
class Deleted:
    """The webhook is gone; updates wait with Telegram. `set_again` names who will set it anew."""

    was: str
    pending: int
    set_again: bool


@dataclass(frozen=True)
class Refunded:
    """A payment in Stars was paid back; `before`: it had been already."""

    charge: str
    user_id: int
    before: bool


Answer = State | Deleted | Refunded
