"""How far a lost message is looked for, and how it is recognised."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import MessageClaimed, MessageSent
from contracts.examples import GUIDE_DELIVERY, PROMO_DELIVERY, SLOT, example
from contracts.token import CtaRef, TokenSigner
from sender.domain.channels import Move
from sender.domain.looking import (
    MOST_PROBES,
    Absent,
    CannotTell,
    Finding,
    Found,
    Glimpse,
    Missing,
    Other,
    Ours,
    Search,
    Trail,
    Unreadable,
    begin,
    begin_below,
    carries,
    mark_of,
    trail,
    trusted,
)

SIGNER = TokenSigner({"k2": b"fedcba9876543210", "k1": b"0123456789abcdef"})
OLD_SIGNER = TokenSigner({"k1": b"0123456789abcdef"})
MARK = mark_of(SIGNER, "example_bot", PROMO_DELIVERY)
CLAIM = example(MessageClaimed, mark=MARK, last_known_message_id=41)
OURS = Ours(-100, SLOT)
SOON, LATE = timedelta(seconds=20), timedelta(seconds=121)


def look(chat: dict[int, Glimpse], trail: Trail) -> tuple[Finding, list[int]]:
    """Look through `chat`; return what was found, and which ids were asked for."""
    asked = []
    search = begin(CLAIM, trail)
    while isinstance(search, Search):
        asked.append(search.candidate)
        search = search.after(chat.get(search.candidate, Missing()))
    return search, asked


def test_the_message_after_the_last_known_one_is_found_by_one_probe() -> None:
    assert look({42: OURS}, Trail(41)) == (Found(-100, 42, SLOT), [42])


def test_other_messages_and_small_gaps_are_passed_over() -> None:
    chat = {42: Other(SOON), 45: OURS}

    assert look(chat, Trail(41)) == (Found(-100, 45, SLOT), [42, 43, 44, 45])


def test_ten_missing_ids_one_after_the_other_are_the_end() -> None:
    assert look({}, Trail(41)) == (Absent(), list(range(42, 52)))
    assert look({43: Other(SOON)}, Trail(41)) == (Absent(), list(range(42, 54)))
    assert look({51: OURS}, Trail(41))[0] == Found(-100, 51, SLOT)


def test_missing_ids_below_one_that_exists_are_a_gap_and_not_the_end() -> None:
    chat = {46: OURS}

    assert look(chat, Trail(41, frozenset({50}))) == (Found(-100, 46, SLOT), [42, 43, 44, 45, 46])


def test_ids_that_the_log_knows_cost_no_probe() -> None:
    assert look({45: OURS}, Trail(41, frozenset({42, 43, 44, 46}))) == (
        Found(-100, 45, SLOT),
        [45],
    )
    assert look({}, Trail(41, frozenset({42, 43}))) == (Absent(), list(range(44, 54)))


def test_a_message_posted_long_after_the_claim_ends_the_search() -> None:
    assert look({42: Other(LATE), 43: OURS}, Trail(41)) == (Absent(), [42])
    assert look({42: Other(-LATE), 43: OURS}, Trail(41))[0] == Found(-100, 43, SLOT)


def test_after_twenty_probes_nobody_can_tell() -> None:
    chat: dict[int, Glimpse] = {number: Other(SOON) for number in range(42, 100)}

    finding, asked = look(chat, Trail(41))

    assert isinstance(finding, CannotTell)
    assert len(asked) == MOST_PROBES


def test_a_message_that_telegram_does_not_show_might_be_ours() -> None:
    assert look({42: Unreadable("protected")}, Trail(41))[0] == CannotTell("protected")
    assert look({42: Unreadable("protected"), 43: OURS}, Trail(41))[0] == Found(-100, 43, SLOT)


def test_without_a_start_or_a_mark_there_is_no_search() -> None:
    unmarked = [example(MessageClaimed, mark=mark) for mark in (None, "k1-token-of-a-button")]

    assert isinstance(begin(CLAIM, Trail(None)), CannotTell)
    assert all(isinstance(begin(claim, Trail(41)), CannotTell) for claim in unmarked)


@given(
    st.dictionaries(
        st.integers(42, 70), st.sampled_from([Missing(), Other(SOON), Other(None), OURS])
    ),
    st.frozensets(st.integers(42, 70)),
)
def test_a_search_ends_and_never_calls_absent_what_it_saw(
    chat: dict[int, Glimpse], later: frozenset[int]
) -> None:
    finding, asked = look(chat, Trail(41, later))

    assert len(asked) <= MOST_PROBES
    assert len(set(asked)) == len(asked)
    assert set(asked).isdisjoint(later)
    seen_ours = [number for number in asked if chat.get(number) == OURS]
    assert isinstance(finding, Found) == bool(seen_ours)


def test_a_message_below_an_album_is_not_taken_for_the_album() -> None:
    below = mark_of(SIGNER, "example_bot", PROMO_DELIVERY, "below")
    button = f"https://example.org/r/{SIGNER.sign(CtaRef(PROMO_DELIVERY, 0))}"
    other = mark_of(SIGNER, "example_bot", GUIDE_DELIVERY, "below")

    assert not carries([below, button], CLAIM, SIGNER)
    assert carries([below, button], CLAIM, SIGNER, "below")
    assert carries([button], CLAIM, SIGNER, "below")  # an older sender marked the album alone
    assert carries([below], CLAIM, TokenSigner({"k9": b"x" * 16}), "below")  # keys were changed
    assert not carries([other, "https://example.org"], CLAIM, SIGNER, "below")


def test_below_an_album_the_age_of_what_stands_between_ends_nothing() -> None:
    search: Search | Finding = begin_below(40, 3)
    assert isinstance(search, Search)
    assert search.candidate == 43

    search = search.after(Other())

    assert isinstance(search, Search)
    assert search.after(OURS) == Found(-100, 44, SLOT)


def test_a_message_is_recognised_by_its_delivery_in_any_signed_address() -> None:
    other = mark_of(SIGNER, "example_bot", GUIDE_DELIVERY)
    forged = mark_of(TokenSigner({"k1": b"x" * 16}), "example_bot", PROMO_DELIVERY)
    older = mark_of(OLD_SIGNER, "example_bot", PROMO_DELIVERY)

    assert carries(["https://example.org", MARK], CLAIM, SIGNER)
    assert carries([MARK], CLAIM, OLD_SIGNER)  # a key that was withdrawn: the text is the same
    assert carries([older.replace("t.me/example_bot#", "clicks.example.org/r/")], CLAIM, SIGNER)
    assert not carries([other, forged, "https://example.org"], CLAIM, SIGNER)
    assert not carries([], CLAIM, SIGNER)


def sent(message_id: int, channel: str = CLAIM.channel, chat_id: int = -100) -> MessageSent:
    return example(MessageSent, channel=channel, chat_id=chat_id, message_id=message_id)


def test_the_trail_comes_from_the_order_of_the_log() -> None:
    unknown = CLAIM.model_copy(update={"last_known_message_id": None})
    log = [(5, sent(30)), (6, sent(50, "-1002")), (7, sent(35)), (11, sent(44)), (12, sent(9))]

    assert trail(unknown, 10, log) == Trail(35, frozenset({44}))
    assert trail(CLAIM, 10, log) == Trail(41, frozenset({44}))
    assert trail(unknown, 1, []) == Trail(None)


def test_a_chat_that_moved_counts_anew() -> None:
    log = [(5, sent(300)), (7, sent(7, chat_id=-555)), (8, sent(8, "-555", chat_id=-555))]
    moved = Move("-555", 6)

    assert trail(CLAIM, 10, log, moved=moved) == Trail(8)
    assert trail(CLAIM, 10, log[:1], moved=moved) == Trail(None)


def test_what_was_claimed_before_a_chat_moved_is_not_looked_for_in_the_new_one() -> None:
    seen = trail(CLAIM, 10, [(5, sent(300))], moved=Move("-555", 11))

    finding = begin(CLAIM, seen)

    assert isinstance(finding, CannotTell)
    assert "moved" in finding.why


def test_the_message_below_an_album_is_known_as_well() -> None:
    album = sent(50).model_copy(update={"follow_up_id": 53})

    assert trail(CLAIM, 10, [(11, album)]).later == {50, 53}
    assert trail(CLAIM, 12, [(11, album)]).before == 53


@pytest.mark.parametrize("chat", [-1001234567890, "@name"])
def test_what_is_missing_in_a_chat_with_ids_of_its_own_is_absent(chat: int | str) -> None:
    assert trusted(Absent(), chat) == Absent()


@pytest.mark.parametrize("chat", [4200001, -4242])
def test_missing_ids_prove_nothing_where_chats_share_them(chat: int) -> None:
    found = Found(chat, 7, datetime(2026, 1, 1, tzinfo=UTC))

    assert isinstance(trusted(Absent(), chat), CannotTell)
    assert trusted(found, chat) == found
