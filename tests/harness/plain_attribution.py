"""Attribution by definition, conversion by conversion in plain Python: what tests compare with."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.envelope import Envelope
from contracts.events import BotStarted, ConversionRecorded, CtaClicked
from contracts.ids import subject_token

WEEK = timedelta(days=7)
MODELS = ("first", "last", "linear")


class Credit(NamedTuple):
    """A part of a conversion, as the columns of the view `attribution` have it."""

    conversion: str
    model: str
    basis: str
    credit: Decimal
    amount: Decimal | None
    touched_at: datetime | None
    delivery: str | None
    cta: int | None
    campaign: str | None
    variant: str | None
    channel: str | None


class _Touch(NamedTuple):
    at: datetime | None
    place: int
    delivery: str | None
    cta: int | None


class Posts:
    """The rows of the table `deliveries`, by their ids."""

    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._rows = {row[0]: row for row in rows}

    def place(self, delivery: str | None) -> tuple[str | None, str | None, str | None]:
        """Return campaign, variant and channel of a delivery."""
        row = self._rows.get(delivery)
        return (row[1], row[3], row[4]) if row else (None, None, None)

    def newest(self, said: ConversionRecorded, span: timedelta) -> str | None:
        """Return the last delivery sent in the window for what the conversion names."""
        sent = [
            (row[16], row[0])
            for row in self._rows.values()
            if row[16] is not None
            and row[1] == said.campaign
            and said.channel in {None, row[4]}
            and timedelta() <= said.occurred_at - row[16] < span
        ]
        return max(sent)[1] if sent else None


def credits_of(
    log: Sequence[Envelope], deliveries: Sequence[tuple[Any, ...]], span: timedelta, model: str
) -> list[Credit]:
    """Return every credit of every conversion in the log, each event taken once."""
    posts = Posts(deliveries)
    facts: dict[str, tuple[int, Any]] = {}
    for place, envelope in enumerate(log):
        facts.setdefault(envelope.id, (place, envelope.data))
    found = []
    for name, (_, fact) in facts.items():
        if isinstance(fact, ConversionRecorded):
            cause = _paid(fact, facts)
            basis, touches = _touches(cause, facts, posts, span)
            found += _shares(name, fact, cause, basis, _chosen(touches, model), model, posts)
    return found


def _paid(fact: ConversionRecorded, facts: dict[str, tuple[int, Any]]) -> ConversionRecorded:
    """Return what a refund pays back, where that is known, else the conversion itself."""
    if fact.kind == "refund" and fact.refund_of is not None:
        name = f"conversion.recorded.{fact.source}.{subject_token(fact.refund_of)}"
        _, paid = facts.get(name, (0, None))
        if paid is not None and paid.kind != "refund":
            assert isinstance(paid, ConversionRecorded)
            return paid
    return fact


def _touches(
    cause: ConversionRecorded, facts: dict[str, tuple[int, Any]], posts: Posts, span: timedelta
) -> tuple[str, list[_Touch]]:
    if cause.delivery is not None:
        return "token", [_Touch(None, 0, cause.delivery, cause.cta)]
    if cause.click_id is not None:
        place, click = facts.get(f"cta.clicked.link.{subject_token(cause.click_id)}", (0, None))
        if click is not None:
            return "link", [_Touch(click.clicked_at, place, click.delivery, click.cta)]
    taps = [_Touch(*tap) for tap in _taps(cause, facts, posts, span)]
    if taps:
        return "taps", sorted(taps, key=lambda tap: (tap.at, tap.place))
    newest = posts.newest(cause, span) if cause.campaign else None
    named = newest or cause.campaign or cause.channel
    return "named" if named else "none", [_Touch(None, 0, newest, None)]


def _taps(
    cause: ConversionRecorded, facts: dict[str, tuple[int, Any]], posts: Posts, span: timedelta
) -> list[tuple[datetime, int, str, int]]:
    if cause.user_id is None or cause.kind == "refund":
        return []
    found = []
    for place, fact in facts.values():
        if isinstance(fact, CtaClicked) and fact.verdict == "human":
            at = fact.clicked_at
        elif isinstance(fact, BotStarted):
            at = fact.started_at
        else:
            continue
        campaign, _, channel = posts.place(fact.delivery)
        if (
            fact.user_id == cause.user_id
            and timedelta() <= cause.occurred_at - at < span
            and cause.campaign in {None, campaign}
            and cause.channel in {None, channel}
        ):
            found.append((at, place, str(fact.delivery), fact.cta))
    return found


def _chosen(touches: list[_Touch], model: str) -> list[_Touch]:
    """Return the touches that share a conversion, the one that takes the rest last."""
    if model == "first":
        return touches[:1]
    if model == "last":
        return touches[-1:]
    newest = {touch.delivery: touch for touch in touches}
    return [touch for touch in touches if touch in newest.values()]


def _shares(
    name: str,
    fact: ConversionRecorded,
    cause: ConversionRecorded,
    basis: str,
    touches: list[_Touch],
    model: str,
    posts: Posts,
) -> list[Credit]:
    ones = _parts(Decimal(1), len(touches))
    amounts: list[Decimal | None] = [None] * len(touches)
    if fact.amount is not None:
        amounts = [*_parts(fact.amount, len(touches))]
    found = []
    for touch, credit, amount in zip(touches, ones, amounts, strict=True):
        campaign, variant, channel = posts.place(touch.delivery)
        place = (campaign or cause.campaign, variant, channel or cause.channel)
        found.append(
            Credit(name, model, basis, credit, amount, touch.at, touch.delivery, touch.cta, *place)
        )
    return found


def _parts(whole: Decimal, number: int) -> list[Decimal]:
    part = Decimal(int(whole * 1_000_000 / number)) / 1_000_000
    return [*[part] * (number - 1), whole - part * (number - 1)]
