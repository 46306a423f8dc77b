"""A person is forgotten: the tables stay as they were, but for who it was."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.domain.fold import Entry, Tables, fold
from analytics.domain.forgetting import forgotten, guard
from contracts.envelope import Envelope
from contracts.events import (
    BotStarted,
    ConversionRecorded,
    CtaClicked,
    Event,
    ForgetRequested,
    UserForgotten,
)
from contracts.examples import SLOT, USER, example
from harness.histories import enveloped, histories
from harness.plain_fold import Rows, numbered, tables_of

WHO = {"clicks": 4, "starts": 4, "conversions": 7}
"""Where in a row the person stands."""

UNTIMED = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])


def story(*events: Event) -> list[Entry]:
    return numbered(enveloped(list(events)))


def told(log: list[Entry], user_id: int) -> list[UserForgotten]:
    """Decide on what the log holds of a person, all of which counts."""
    of = [entry for entry in log if getattr(entry.event.data, "user_id", None) == user_id]
    places = [entry.sequence for entry in of]
    return forgotten(places, of, places, SLOT) if places else []


def after(log: list[Entry], said: list[UserForgotten]) -> list[Entry]:
    start = len(log) + 1
    return [*log, *numbered(enveloped(list(said)), start)]


def nameless(tables: dict[str, Rows], alias: int | None, user_id: int) -> dict[str, set[Any]]:
    """Return the rows without their events' ids, and with one name for the person."""

    def without(name: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
        if name == "stretches":
            packed = [row[4][start : start + 8] for start in range(0, len(row[4]), 8)]
            people = (int.from_bytes(one, signed=True) for one in packed)
            return (*row[:4], tuple(user_id if one == alias else one for one in people), *row[5:])
        if name not in WHO:
            return row
        who = WHO[name]
        same = user_id if row[who] == alias else row[who]
        return (*row[1:2], *row[2:who], same, *row[who + 1 :])

    return {name: {without(name, row) for row in rows} for name, rows in tables.items()}


@given(histories(), st.sampled_from((1, 2)))
@UNTIMED
def test_the_tables_differ_only_in_who_it_was_whether_the_events_are_erased_or_not(
    history: list[Envelope], person: int
) -> None:
    log = numbered(history)
    said = told(log, person)
    whole = after(log, said)
    erased = [e for e in whole if getattr(e.event.data, "user_id", None) != person]

    assert tables_of(whole) == tables_of(erased)
    folded = fold(Tables(), whole)
    assert {n: {tuple(r) for r in getattr(folded, n).values()} for n in WHO} == {
        n: tables_of(whole)[n] for n in WHO
    }
    alias = said[0].alias if said else person
    assert str(person) not in {str(row[WHO[n]]) for n in WHO for row in tables_of(whole)[n]}
    # What seems to be named after its person has another name, or none: these ids are short.
    before, now = tables_of(log), tables_of(whole)
    for tables in (before, now):
        places = {row[3]: row[1] for row in tables["conversions"]}
        tables["conversions"] = {
            (*r[:3], "", *r[4:10], "", *r[11:13], places.get(r[13]), *r[14:])
            for r in tables["conversions"]
        }
    assert nameless(now, alias, person) == nameless(before, person, person)


def test_what_names_the_person_is_left_out() -> None:
    person = [
        example(CtaClicked, source_id="30064771073123"),
        example(BotStarted),
        example(ForgetRequested),
        example(ConversionRecorded, source_id=f"join-100123-{USER}", kind="join"),
        example(ConversionRecorded, source_id="paid", refund_of=f"by-{USER}"),
    ]

    (event,) = told(story(*person), USER)

    written = event.model_dump_json()
    assert str(USER) not in written
    assert "30064771073123" not in written
    assert event.replaces == (1, 2, 3, 4, 5)
    assert [act.sequence for act in event.acts] == [1, 2, 4, 5]
    assert event.alias == -1
    assert [(c.clicks, c.starts, c.conversions) for c in event.counts] == [(1, 1, 2)]


def test_a_click_s_user_agent_goes_with_its_person() -> None:
    tap = example(CtaClicked, via="link", agent="Phone of one person/1.0", ahead=True)

    (event,) = told(story(tap), USER)

    assert "one person" not in event.model_dump_json()
    (act,) = event.acts
    assert act.click
    assert (act.click.agent, act.click.ahead) == (None, False)


def test_of_whom_a_part_was_told_the_rest_is_told_under_the_same_alias_and_names() -> None:
    join = f"join-100123-{USER}"
    log = story(
        example(ConversionRecorded, source_id=join, kind="join"),
        example(ConversionRecorded, source_id="paid", refund_of=join),
    )

    (event,) = forgotten([1, 2], log, {1, 2}, SLOT, replaced={1})

    assert (event.alias, event.request_id, event.replaces) == (-1, "at-2", (2,))
    (act,) = event.acts
    assert act.conversion
    assert act.conversion.refund_of == "forgotten-1"
    assert forgotten([1, 2], log, {1, 2}, SLOT, replaced={1, 2}) == []


def test_what_does_not_count_does_not_count_afterwards() -> None:
    log = story(example(CtaClicked), example(CtaClicked, source_id="in quarantine"))

    (event,) = forgotten([1, 2], log, {1}, SLOT)

    assert [act.sequence for act in event.acts] == [1]
    assert event.replaces == (1, 2)


def test_what_is_too_much_for_one_event_is_told_in_parts_under_one_alias(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("analytics.domain.forgetting.MOST_BYTES", 1_000)
    log = story(*(example(CtaClicked, source_id=f"tap {n}") for n in range(20)))

    parts = told(log, USER)

    assert len(parts) > 2
    assert {part.alias for part in parts} == {-1}
    assert len({part.id for part in parts}) == len(parts)
    assert [place for part in parts for place in part.replaces] == list(range(1, 21))
    assert all(len(part.model_dump_json()) < 4_000 for part in parts)


def test_the_same_beginning_is_named_alike_by_who_knows_more() -> None:
    log = story(example(CtaClicked), example(CtaClicked, source_id="later"))

    assert told(log[:1], USER)[0].id == told(log, USER)[0].id


def test_a_guard_stands_where_the_log_looks_for_the_same_payment_and_names_nobody() -> None:
    paid = example(ConversionRecorded, click_id=f"click of {USER}")

    guarding = guard(paid)

    assert guarding is not None
    assert guarding.subject == f"conversion.recorded.anon.stars.{paid.source_id}"
    assert (guarding.id, guarding.once_over) == (paid.id, paid.once_over)
    assert str(USER) not in guarding.model_dump_json()
    assert guard(example(ConversionRecorded, source_id=f"join-{USER}")) is None
