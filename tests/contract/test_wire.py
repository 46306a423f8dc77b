"""Every event survives the wire, whatever its fields hold; everything else is refused politely."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from zoneinfo import available_timezones

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import AwareDatetime, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from contracts.campaign import Campaign, CatchUp, IntervalSchedule, Variant
from contracts.envelope import Envelope, UnreadableEventError
from contracts.events import EVENTS, Event, MessageClaimed
from contracts.examples import example

NOW = datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)

instants = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001  hypothesis wants naive bounds
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
texts = st.text(min_size=1, max_size=20).map(lambda text: f"a{text}z")
names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
addresses = st.from_regex(r"https?://[a-z]{1,9}\.org/[a-z0-9?=&%]{0,20}", fullmatch=True)
intervals = st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds))
delays = st.integers(0, 12 * 3600).map(lambda seconds: timedelta(seconds=seconds))
channels = st.from_regex(r"-100[0-9]{1,15}", fullmatch=True)
currencies = st.from_regex(r"[A-Z]{3}", fullmatch=True)
amounts = st.decimals(
    min_value=-(10**6), max_value=10**6, places=2, allow_nan=False, allow_infinity=False
)

translations = st.dictionaries(st.sampled_from(("de", "es", "pt")), texts, max_size=2)

BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "campaign": names,
    "id": names,
    "variant": names,
    "channel": channels,
    "channels": st.lists(channels, unique=True, max_size=3).map(tuple),
    "delivery": st.from_regex(r"[0-9a-v]{26}", fullmatch=True),
    "currency": currencies,
    "amount": amounts,
    "revenue": st.dictionaries(currencies, amounts, max_size=3),
    "target": addresses,
    "zone": st.sampled_from(sorted(available_timezones())),
    "source": names,
    "request_id": names,
    "cta": st.integers(0, 99),
    "cron": st.sampled_from(("0 9 * * mon-fri", "@daily", "*/5 * L * *")),
    "quiet_hours": st.sampled_from(((), ("22:00-07:00",), ("13:00-24:00", "12:30-13:00"))),
    "blackouts": st.sampled_from(((), ("2026-12-24", "2026-12-31..2027-01-02"))),
    "jitter": delays,
    "channel_offset": delays,
    "weight": st.integers(1, 100),
    "max": st.integers(1, 1000),
    "request": names,
    "stars": st.integers(1, 10_000),
    "bot": names,
    "after": st.integers(60, 30 * 86_400).map(lambda seconds: timedelta(seconds=seconds)),
    "answers": translations,
    "greetings": translations,
    "chat": channels,
    "name": names,
    "username": st.from_regex(r"@[a-z][a-z0-9_]{3,10}", fullmatch=True),
}
WHOLE: dict[type[BaseModel], st.SearchStrategy[Any]] = {
    IntervalSchedule: intervals.map(lambda every: IntervalSchedule(every=every, phase=every / 7))
}


def any_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Return what a field of this type may hold; a type that is not known here is an error."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return any_of(arguments[0])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of([any_of(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(any_of(arguments[0]), min_size=1, max_size=2).map(tuple)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return model(annotation)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        type(None): st.none(),
        bool: st.booleans(),
        int: st.integers(1, 2**53),
        str: texts,
        AwareDatetime: instants,
        timedelta: intervals,
        Decimal: amounts,
    }
    return simple[annotation]


def model(kind: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Return random valid instances; an optional field is there or not."""
    if kind in WHOLE:
        return WHOLE[kind]
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in kind.model_fields.items():
        values = BY_NAME[name] if _named(kind, name, field) else any_of(field.annotation)
        optional = type(None) in get_args(field.annotation)
        fields[name] = st.one_of(st.none(), values) if optional else values
    return st.fixed_dictionaries(fields).map(lambda values: _built(kind, values)).filter(bool)


def _named(kind: type[BaseModel], name: str, field: FieldInfo) -> bool:
    is_model = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    return name in BY_NAME and not is_model


def _built(kind: type[BaseModel], values: dict[str, Any]) -> BaseModel | None:
    # Rules over several fields (no two variants with one id) may refuse a combination.
    with suppress(ValidationError):
        return kind(**values)
    return None


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_any_event_survives_the_wire(event: type[Event]) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(said=model(event))
    def survives(said: Event) -> None:
        envelope = Envelope.of(said, source="/test", now=NOW, cause=None)

        read = Envelope.parse(envelope.document())

        assert read == envelope
        assert read.data == said
        assert read.document() == envelope.document()

    survives()


def test_an_event_says_what_it_followed() -> None:
    cause = Envelope.of(example(EVENTS[0]), source="/test", now=NOW, cause=None)

    effect = Envelope.of(example(MessageClaimed), source="/test", now=NOW, cause=cause)

    assert effect.causationid == cause.id
    assert effect.correlationid == cause.correlationid


def test_a_reader_ignores_a_field_that_a_newer_writer_added() -> None:
    envelope = Envelope.of(example(MessageClaimed), source="/test", now=NOW, cause=None)
    document = json.loads(envelope.document())
    document["data"]["from_the_future"] = document["traceparent"] = "x"

    assert Envelope.parse(json.dumps(document).encode()) == envelope


def spoilt_documents() -> Iterator[tuple[str, Any]]:
    document = json.loads(
        Envelope.of(example(MessageClaimed), source="/test", now=NOW, cause=None).document()
    )
    for name in ("id", "type", "time", "subject", "source", "data", "causationid"):
        yield f"without {name}", {key: document[key] for key in document if key != name}
        for wrong in (None, True, [], {}):
            yield f"{name} is {wrong!r}", {**document, name: wrong}
    yield "time before the calendar", {**document, "time": "0001-01-01T00:00:00+14:00"}
    yield "time without a zone", {**document, "time": "2026-03-01T12:00:00"}
    yield "a list", [document]


@pytest.mark.parametrize(
    "document", [pytest.param(spoilt, id=name) for name, spoilt in spoilt_documents()]
)
def test_a_spoilt_document_is_unreadable_and_nothing_worse(document: Any) -> None:
    with pytest.raises(UnreadableEventError):
        Envelope.parse(json.dumps(document).encode())


@given(st.binary(max_size=200))
def test_bytes_from_nowhere_are_unreadable_and_nothing_worse(document: bytes) -> None:
    with pytest.raises(UnreadableEventError):
        Envelope.parse(document)


def test_the_random_campaigns_use_what_campaigns_have() -> None:
    """Guards the strategy itself: it must not filter everything interesting away."""
    seen: list[Campaign] = []

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,  # else it were up to chance whether a rare kind is drawn
        suppress_health_check=list(HealthCheck),
    )
    @given(campaign=model(Campaign))
    def collect(campaign: Campaign) -> None:
        seen.append(campaign)

    collect()
    ctas = {cta.kind for campaign in seen for variant in campaign.variants for cta in variant.ctas}

    assert ctas == {"callback", "bot", "deep_link", "link", "join", "copy"}
    assert {campaign.kind for campaign in seen} == {"guide", "promo"}
    assert {type(campaign.catch_up) for campaign in seen} == {CatchUp}
    assert {type(variant) for campaign in seen for variant in campaign.variants} == {Variant}
