"""What is left of a person who is forgotten: acts that name nobody. Pure.

What the tables count now goes on counting, under an alias, and every total stays as it is. What
could tell who it was is left out: the callback query's id holds the person's id, and so may the
name of a conversion; a user agent may be one person's alone.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from analytics.domain.fold import Entry
from contracts.events import BotStarted, ConversionRecorded, CtaClicked, UserForgotten
from contracts.events.person import ForgottenAct, ForgottenCount

Act = CtaClicked | BotStarted | ConversionRecorded
Names = Mapping[str, str]

MOST_BYTES = 400_000
"""Of acts in one event: the log takes messages of up to 1 MB."""

_MOST_PLACES = 20_000


def forgotten(
    places: Sequence[int],
    told: Sequence[Entry],
    counted: Collection[int],
    now: datetime,
    *,
    replaced: Collection[int] = (),
) -> list[UserForgotten]:
    """Return the events that take the place of one person's, which stand at `places`.

    Those of `told` whose sequences are `counted` have a row, and go on counting. What is `replaced`
    already is left out; where that was a part only, the rest comes under the same alias. The same
    events are named in the same way by everybody who decides on them: the log takes each once.
    """
    alias = -min(places, default=1)
    left = sorted(set(places) - set(replaced))
    names = _new_names(told)
    acts = {
        entry.sequence: act
        for entry in told
        if entry.sequence in counted and (act := _act(entry, alias, names))
    }
    return [
        UserForgotten(
            request_id=f"at-{part[0]}",
            forgotten_at=now,
            alias=alias,
            replaces=tuple(part),
            acts=tuple(said),
            counts=_counts([act.said for act in said]),
        )
        for part, said in _parts(left, acts)
    ]


def guard(fact: ConversionRecorded) -> ConversionRecorded | None:
    """Return what keeps a conversion from being recorded again; None where its name names a person.

    It is the conversion of nobody, with the same id: the tables have that row already.
    """
    return None if _names(fact, fact.source_id) else _nameless(fact, None, {})


def _parts(
    places: Sequence[int], acts: dict[int, ForgottenAct]
) -> Iterator[tuple[list[int], list[ForgottenAct]]]:
    """Cut what is too much for one event."""
    part: list[int] = []
    said: list[ForgottenAct] = []
    size = 0
    for place in places:
        act = acts.get(place)
        more = len(act.model_dump_json(exclude_none=True)) if act else 0
        if part and (size + more > MOST_BYTES or len(part) == _MOST_PLACES):
            yield part, said
            part, said, size = [], [], 0
        part.append(place)
        if act:
            said.append(act)
            size += more
    if part:
        yield part, said


def _act(entry: Entry, alias: int, names: Names) -> ForgottenAct | None:
    place = entry.sequence
    match entry.event.data:
        case CtaClicked() as fact:
            unnamed = {"source_id": _name(place), "user_id": alias, "agent": None, "ahead": False}
            return ForgottenAct(sequence=place, click=fact.model_copy(update=unnamed))
        case BotStarted() as fact:
            return ForgottenAct(sequence=place, start=fact.model_copy(update={"user_id": alias}))
        case ConversionRecorded() as fact:
            return ForgottenAct(sequence=place, conversion=_nameless(fact, alias, names))
        case _:
            return None


def _new_names(told: Iterable[Entry]) -> Names:
    """Return another name for each conversion that is named after the person."""
    return {
        fact.source_id: _name(sequence)
        for sequence, said in told
        if isinstance(fact := said.data, ConversionRecorded) and _names(fact, fact.source_id)
    }


def _nameless(fact: ConversionRecorded, alias: int | None, names: Names) -> ConversionRecorded:
    def clean(text: str | None) -> str | None:
        if text is None or text in names:
            return names.get(text or "")
        return None if _names(fact, text) else text

    return fact.model_copy(
        update={
            "source_id": names.get(fact.source_id, fact.source_id),
            "click_id": clean(fact.click_id),
            "refund_of": clean(fact.refund_of),
            "user_id": alias,
        }
    )


def _names(fact: ConversionRecorded, text: str) -> bool:
    """Whether the person's id stands in `text`."""
    return bool(re.search(rf"(?<![0-9]){fact.user_id}(?![0-9])", text))


def _name(place: int) -> str:
    return f"forgotten-{place}"


def _counts(acts: Iterable[Act]) -> tuple[ForgottenCount, ...]:
    credited: dict[tuple[str, int], list[Act]] = defaultdict(list)
    for act in acts:
        cta = -1 if act.cta is None else act.cta
        credited[act.delivery or "", cta].append(act)
    return tuple(_count(credited[key]) for key in sorted(credited))


def _count(acts: Sequence[Act]) -> ForgottenCount:
    money = [act for act in acts if isinstance(act, ConversionRecorded)]
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for act in money:
        if act.amount is not None and act.currency is not None:
            revenue[act.currency] += act.amount
    return ForgottenCount(
        delivery=acts[0].delivery,
        cta=acts[0].cta,
        clicks=sum(isinstance(act, CtaClicked) for act in acts),
        starts=sum(isinstance(act, BotStarted) for act in acts),
        conversions=sum(act.kind != "refund" for act in money),
        revenue=dict(revenue),
    )
