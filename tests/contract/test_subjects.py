"""Names on the wire are safe, and every event has exactly one place in the log."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import EVENTS, ConversionRecorded, CtaClicked, Event
from contracts.examples import example
from contracts.streams import EVENTS as STREAM
from contracts.streams import SENDER_GUIDE, SENDER_PROMO
from contracts.subjects import CAMPAIGNS, DUES, SLOTS, campaign_of, due_of, messages_of, slot_of

SAFE_SUBJECT = re.compile(r"[a-z]+\.[a-z]+(\.[A-Za-z0-9_-]+)+")
SAFE_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}")

every_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)


def matches(pattern: str, subject: str) -> bool:
    """Whether a NATS subject falls under a NATS pattern."""
    wanted, given_tokens = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        head = wanted[:-1]
        return len(given_tokens) > len(head) and matches(
            ".".join(head), ".".join(given_tokens[: len(head)])
        )
    return len(wanted) == len(given_tokens) and all(
        token in ("*", other) for token, other in zip(wanted, given_tokens, strict=True)
    )


@every_event
def test_an_event_falls_under_exactly_one_subject_of_the_stream(event: type[Event]) -> None:
    subject = example(event).subject

    assert [matches(pattern, subject) for pattern in STREAM.subjects].count(True) == 1


@every_event
def test_subject_id_and_type_are_safe_in_nats(event: type[Event]) -> None:
    said = example(event)

    assert SAFE_SUBJECT.fullmatch(said.subject)
    assert SAFE_ID.fullmatch(said.id)
    assert re.fullmatch(r"fingerpost\.[a-z]+\.[a-z]+\.v1", said.type)
    assert said.subject.startswith(f"{said.fact()}.")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
def test_an_id_from_outside_cannot_leave_its_place(source_id: str) -> None:
    click = example(CtaClicked, source_id=source_id)
    conversion = example(ConversionRecorded, source_id=source_id)

    assert SAFE_ID.fullmatch(click.id)
    assert SAFE_ID.fullmatch(conversion.id)
    assert SAFE_SUBJECT.fullmatch(conversion.subject)
    assert matches(conversion.once_over, conversion.subject)


@pytest.mark.parametrize("other", [" a", "a ", "a\n", "a\r\nb", "a.b", "A", "a*", "ä"])
def test_two_ids_from_outside_never_become_one(other: str) -> None:
    ids = {example(ConversionRecorded, source_id=text).id for text in ("a", "a b", other)}

    assert len(ids) == 3


@every_event
def test_two_events_of_one_type_share_no_id_unless_they_are_the_same_fact(
    event: type[Event],
) -> None:
    ids = {example(other).id for other in EVENTS}

    assert example(event).id == example(event).id
    assert len(ids) == len(EVENTS)


def test_readers_patterns_find_their_events_and_no_others() -> None:
    found = {
        pattern: {event.fact() for event in EVENTS if matches(pattern, example(event).subject)}
        for pattern in (CAMPAIGNS, *SLOTS)
    }

    assert found == {
        CAMPAIGNS: {
            "campaign.defined",
            "campaign.paused",
            "campaign.resumed",
            "campaign.retired",
            "campaign.triggered",
            "campaign.backfilled",
        },
        "guide.due.*": {"guide.due"},
        "promo.due.*": {"promo.due"},
        "slot.missed.*": {"slot.missed"},
    }
    assert (*SENDER_GUIDE.subjects, *SENDER_PROMO.subjects) == DUES


def test_scopes_cover_what_may_be_said_once() -> None:
    for event in EVENTS:
        said = example(event)
        delivery = getattr(said, "delivery", "none")
        in_ledger = [matches(pattern, said.subject) for pattern in messages_of(delivery)]

        assert matches(due_of(delivery), said.subject) == (event.fact().endswith(".due"))
        assert in_ledger.count(True) == (1 if event.fact().startswith("message.") else 0)
        if event.fact() in {"guide.due", "promo.due", "slot.missed"}:
            assert matches(slot_of(delivery), said.subject)
        if event.fact().startswith("campaign."):
            asked = event.fact() in {"campaign.triggered", "campaign.backfilled"}
            assert matches(campaign_of("guides"), said.subject) != asked


def test_the_alphabet_of_ids_is_the_one_of_subjects() -> None:
    allowed = string.ascii_letters + string.digits + "_-"

    assert all(SAFE_SUBJECT.fullmatch(f"a.b.{character}") for character in allowed)
    assert not any(SAFE_SUBJECT.fullmatch(f"a.b.{character}") for character in " *>$/\n")
