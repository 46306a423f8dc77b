"""What becomes of a message that was sent: when it is withdrawn, how, and what it replaces."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.campaign import Expire, Medium, Variant
from contracts.events import GuideDue, MessageClaimed, MessageSent, MessageWithdrawn, PromoDue
from contracts.examples import GUIDE_VARIANT, PROMO_VARIANT, SLOT, example
from sender.domain.afterlife import (
    REACH,
    Again,
    Delete,
    Fate,
    Plan,
    Say,
    Settled,
    Shelf,
    Step,
    TakeButtons,
    Undeletable,
    Unpin,
    fate,
    given_up,
    instead_of_deleting,
    is_over,
    judge,
    nap,
    patiently,
    plan,
    together,
)
from sender.domain.deliveries import Done, decide, fold
from sender.domain.outcomes import Posted, Refused, Unknown

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SENT = example(MessageSent, message_id=42, sent_at=SLOT)
PHOTO = Medium(kind="photo", url="https://example.org/a.jpg")
ALBUM = PROMO_VARIANT.model_copy(update={"album": (PHOTO, PHOTO, PHOTO), "album_text": "Below"})
WITH_PHOTO = PROMO_VARIANT.model_copy(update={"media": PHOTO})
OVER = "*It is over*"


def due(
    action: str = "edit", text: str | None = None, variant: Variant = PROMO_VARIANT, **fields: Any
) -> PromoDue:
    expire = Expire.model_construct(after=HOUR, action=action, text=text, format="markdown")
    return example(PromoDue, variant=variant).model_copy(update={"expire": expire, **fields})


# --- when -------------------------------------------------------------------------------------


def test_a_message_without_a_plan_for_it_stays() -> None:
    plain = example(PromoDue)

    assert fate(plain, SLOT) == Fate(withdraw_at=None, delete_previous=False)
    assert nap(SENT, SLOT + DAY) is None


def test_a_message_is_to_be_withdrawn_so_long_after_it_was_sent() -> None:
    planned = fate(due(delete_previous=True), SLOT)

    assert planned == Fate(withdraw_at=SLOT + HOUR, delete_previous=True)


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        (due("unpin"), False),
        (due("unpin", variant=PROMO_VARIANT.model_copy(update={"pin": True})), True),
        (due("edit", variant=PROMO_VARIANT.model_copy(update={"ctas": ()})), False),
        (due("edit", OVER, PROMO_VARIANT.model_copy(update={"ctas": ()})), True),
        (due("delete", variant=PROMO_VARIANT.model_copy(update={"ctas": ()})), True),
    ],
    ids=["not pinned", "pinned", "no buttons", "a new text", "to be deleted"],
)
def test_a_message_that_its_expiry_does_not_change_is_left_alone(
    asked: PromoDue, *, changes: bool
) -> None:
    assert (fate(asked, SLOT)["withdraw_at"] is not None) == changes


def test_it_naps_until_its_time_but_an_hour_at_most() -> None:
    sent = SENT.model_copy(update={"withdraw_at": SLOT + DAY})

    assert nap(sent, SLOT) == HOUR
    assert nap(sent, SLOT + DAY - timedelta(minutes=5)) == timedelta(minutes=5)
    assert nap(sent, SLOT + DAY) == nap(sent, SLOT + 2 * DAY) == timedelta()


def test_a_bot_that_left_the_settings_is_waited_for_but_not_for_ever() -> None:
    assert not given_up(SLOT, SLOT + DAY)
    assert given_up(SLOT, SLOT + 3 * DAY)


# --- how --------------------------------------------------------------------------------------

BELOW = SENT.model_copy(update={"follow_up_id": 45})
BOLD = ({"type": "bold", "offset": 0, "length": 10},)


@pytest.mark.parametrize(
    ("sent", "asked", "steps"),
    [
        (SENT, due("edit"), (TakeButtons(42),)),
        (SENT, due("edit", OVER), (Say(42, "It is over", BOLD),)),
        (SENT, due("edit", variant=WITH_PHOTO), (TakeButtons(42),)),
        (SENT, due("edit", OVER, WITH_PHOTO), (Say(42, "It is over", BOLD, caption=True),)),
        (BELOW, due("edit", variant=ALBUM), (TakeButtons(45),)),
        (
            BELOW,
            due("edit", OVER, ALBUM),
            (Say(42, "It is over", BOLD, caption=True), TakeButtons(45)),
        ),
        (SENT, due("delete"), (Delete((42,)),)),
        (BELOW, due("delete", variant=ALBUM), (Delete((42, 43, 44, 45)),)),
        (SENT.model_copy(update={"follow_up_id": 44}), due("delete", variant=ALBUM),
         (Delete((42, 43, 44)),)),
        (SENT, due("unpin"), (Unpin(42),)),
    ],
)  # fmt: skip
def test_what_is_done(sent: MessageSent, asked: PromoDue, steps: tuple[Step, ...]) -> None:
    assert asked.expire is not None

    tried = plan(asked.expire.action, sent, asked, SLOT + HOUR)

    assert tried == Plan(asked.expire.action, steps)


def test_a_guide_without_a_plan_for_it_loses_its_buttons_when_it_is_too_old_to_be_replaced() -> (
    None
):
    plain = example(GuideDue, variant=GUIDE_VARIANT)

    assert plan("delete", SENT, plain, SLOT + 48 * HOUR - timedelta(seconds=1)).action == "delete"
    tried = plan("delete", SENT, plain, SLOT + 48 * HOUR)

    assert tried == Plan("edit", (TakeButtons(42),), "it is too old to be deleted")


def test_what_telegram_does_not_delete_is_edited_and_says_what_it_has_to_say() -> None:
    tried = instead_of_deleting(SENT, due("delete", OVER), "no right to delete")

    assert tried == Plan("edit", (Say(42, "It is over", BOLD),), "no right to delete")


def test_buttons_that_nobody_can_find_are_told() -> None:
    tried = plan("edit", SENT, due("edit", variant=ALBUM), SLOT + HOUR)

    assert tried.steps == ()
    assert together(tried, ()).outcome == "refused"
    assert "below the album" in together(tried, ()).description


def test_an_album_is_deleted_though_nobody_knows_the_message_below_it() -> None:
    tried = plan("delete", SENT, due("delete", variant=ALBUM), SLOT + HOUR)

    assert tried.steps == (Delete((42, 43, 44)),)
    assert together(tried, [Settled("done")]).outcome == "done"
    assert "is not known" in together(tried, [Settled("done")]).description


def test_a_new_text_that_cannot_be_read_is_told() -> None:
    tried = plan("edit", SENT, due("edit", "*open"), SLOT + HOUR)

    assert tried.steps == ()
    assert "its new text" in together(tried, ()).description


def test_a_message_that_was_withdrawn_is_not_sent_again() -> None:
    claim, gone = example(MessageClaimed), example(MessageWithdrawn, action="delete")
    ledger = [(event, SLOT) for event in (claim, SENT, gone)]

    assert decide(fold(ledger), due(), SLOT + DAY, HOUR) == Done()


# --- what Telegram says -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "description", "verdict"),
    [
        (Say(1, "x"), "Bad Request: message is not modified: specified new", "done"),
        (Unpin(1), "Bad Request: CHAT_NOT_MODIFIED", "done"),
        (Say(1, "x"), "Bad Request: message to edit not found", "absent"),
        (TakeButtons(1), "Bad Request: MESSAGE_ID_INVALID", "absent"),
        (Delete((1,)), "Bad Request: message to delete not found", "absent"),
        (Unpin(1), "Bad Request: message to unpin not found", "absent"),
        (Say(1, "x"), "Bad Request: message can't be edited", "refused"),
        (Unpin(1), "Bad Request: not enough rights to manage pinned messages", "refused"),
        (Delete((1,)), "Forbidden: bot was kicked from the channel chat", "refused"),
        (Say(1, "x"), "Bad Request: message is too long", "refused"),
    ],
)
def test_a_definite_answer_settles_it(step: Step, description: str, verdict: str) -> None:
    said = judge(step, Refused("content", description))

    assert isinstance(said, Settled)
    assert said.outcome == verdict


def test_an_answer_that_it_is_done_is_believed() -> None:
    assert judge(Delete((1,)), Posted(-1, 1, SLOT)) == Settled("done")


def test_what_cannot_be_deleted_is_to_be_edited() -> None:
    refused = Refused("content", "Bad Request: message can't be deleted for everyone")

    assert isinstance(judge(Delete((1,)), refused), Undeletable)
    assert isinstance(judge(Unpin(1), refused), Settled)


@pytest.mark.parametrize(
    "outcome",
    [
        Unknown("no answer"),
        Refused("rate_limited", "retry after 7", timedelta(seconds=7)),
        Refused("not_connected", "refused", timedelta(seconds=2), growing=True),
        Refused("restarting", "restart", timedelta(seconds=2), growing=True),
        Refused("unauthorized", "401", timedelta(minutes=1), growing=True),
    ],
    ids=lambda outcome: outcome.description,
)
def test_what_is_not_known_or_not_possible_now_is_done_again(outcome: Unknown | Refused) -> None:
    said = judge(Say(1, "x"), outcome)

    assert isinstance(said, Again)
    assert said.after >= timedelta(seconds=7)


def test_a_call_without_an_answer_is_made_ever_less_often_and_not_for_ever() -> None:
    again = judge(Say(1, "x"), Unknown("no answer"))
    assert isinstance(again, Again)
    late = [timedelta(), HOUR, 7 * DAY, 9 * DAY]

    told = [patiently(again, SLOT, SLOT + each) for each in late]

    assert [each.after for each in told if isinstance(each, Again)] == [
        timedelta(seconds=10),
        timedelta(minutes=6),
        HOUR,
    ]
    assert told[-1] == Settled("refused", "given up after 9 days: no answer")


def test_what_telegram_does_not_take_now_is_not_given_up() -> None:
    flood = judge(Say(1, "x"), Refused("rate_limited", "wait", timedelta(seconds=7)))

    assert isinstance(flood, Again)
    assert patiently(flood, SLOT, SLOT + 9 * DAY) == flood


def test_a_group_that_moved_keeps_its_old_messages() -> None:
    said = judge(Say(1, "x"), Refused("migrated", "upgraded to a supergroup", timedelta()))

    assert said == Settled("refused", "upgraded to a supergroup")


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        (("done", "done"), "done"),
        (("done", "absent"), "done"),
        (("absent", "absent"), "absent"),
        (("done", "refused"), "refused"),
    ],
)
def test_all_steps_together_have_one_outcome(steps: Any, outcome: str) -> None:
    tried = Plan("edit", (), "too old")

    said = together(tried, (Settled(step, step) for step in steps))

    assert said.outcome == outcome
    assert said.description.startswith("too old; ")


@pytest.mark.parametrize(
    ("action", "before", "over"),
    [
        ("edit", {"action": "delete", "reason": "replaced"}, True),
        ("unpin", {"action": "delete", "reason": "replaced"}, True),
        ("edit", {"action": "edit", "reason": "expired"}, True),
        ("edit", {"action": "edit", "reason": "replaced"}, True),
        ("unpin", {"action": "edit", "reason": "replaced"}, False),
        ("unpin", {"action": "edit", "reason": "replaced", "outcome": "absent"}, True),
    ],
)
def test_what_was_withdrawn_before_is_not_withdrawn_again(
    action: Any, before: dict[str, Any], *, over: bool
) -> None:
    assert is_over(action, [example(MessageWithdrawn, **before)]) == over
    assert not is_over(action, [])


# --- what replaces what -----------------------------------------------------------------------


def message(number: int, *, replaces: bool = True, **fields: Any) -> MessageSent:
    """Return the message that was sent as number `number`, an hour after the one before it."""
    at = SLOT + number * HOUR
    place = {"delivery": f"d{number}", "message_id": 100 + number, "sent_at": at}
    return example(MessageSent, **{**place, "delete_previous": replaces, **fields})


def gone(number: int, action: str = "delete", **fields: Any) -> MessageWithdrawn:
    how = {"reason": "replaced", "outcome": "done", **fields}
    return example(MessageWithdrawn, delivery=f"d{number}", action=action, **how)


def replaced(*said: MessageSent | MessageWithdrawn, after: timedelta = 10 * HOUR) -> list[str]:
    shelf = Shelf()
    for event in said:
        shelf.take(event)
    return [one.delivery for one in shelf.replaced("promos", SENT.channel, SLOT + after)]


def test_the_first_message_replaces_nothing() -> None:
    assert replaced(message(1)) == []


def test_a_message_replaces_all_before_it_and_stays_itself() -> None:
    assert replaced(message(1), message(2), message(3)) == ["d1", "d2"]


def test_a_message_that_replaces_nothing_leaves_the_others() -> None:
    assert replaced(message(1, replaces=False), message(2, replaces=False)) == []
    assert replaced(message(1), message(2, replaces=False)) == []


def test_of_those_before_the_campaign_was_told_to_replace_the_last_one_goes() -> None:
    before = [message(number, replaces=False) for number in (1, 2)]

    assert replaced(*before, message(3)) == ["d2"]


def test_another_campaign_and_another_channel_are_left_alone() -> None:
    elsewhere = [message(1, campaign="guides"), message(2, channel="@other")]

    assert replaced(*elsewhere, message(3)) == []


def test_what_is_gone_is_not_deleted_again() -> None:
    assert replaced(message(1), message(2), gone(1)) == []
    assert replaced(message(1), message(2), gone(1, outcome="refused")) == []
    assert replaced(message(1), message(2), gone(1, "unpin", outcome="absent")) == []


def test_what_expired_and_still_stands_is_replaced_while_it_can_be_deleted() -> None:
    said = message(1), gone(1, "edit", reason="expired"), message(2)

    assert replaced(*said, after=48 * HOUR) == ["d1"]
    assert replaced(*said, after=50 * HOUR) == []
    assert replaced(message(1), gone(1, "unpin", reason="expired"), message(2)) == ["d1"]


def test_what_is_too_old_to_be_deleted_is_replaced_once() -> None:
    assert replaced(message(1), message(2), after=4 * DAY) == ["d1"]
    assert replaced(message(1), message(2), gone(1, "edit"), after=4 * DAY) == []


def test_what_is_older_than_eight_days_stays() -> None:
    assert replaced(message(1), message(300), after=REACH + 2 * HOUR) == []
    assert replaced(message(1), message(3), after=REACH + HOUR) == ["d1"]
    assert replaced(message(1), message(3), after=REACH + 2 * HOUR) == []


def test_a_message_that_was_found_late_stands_above_the_one_that_was_sent_after_it() -> None:
    assert replaced(message(2), message(1)) == ["d1"]


def test_in_one_chat_the_numbers_tell_which_was_first_and_no_clock() -> None:
    assert replaced(message(1, message_id=900), message(2)) == ["d2"]


def test_a_chat_that_moved_tells_by_the_time_which_was_first() -> None:
    assert replaced(message(1, message_id=900), message(2, chat_id=-1009, message_id=1)) == ["d1"]


def test_only_what_may_still_be_replaced_is_kept() -> None:
    shelf = Shelf()
    for number in range(1_000):
        shelf.take(message(number, replaces=False))
    assert len(shelf) == 1

    for number in range(1_000, 3_000):
        shelf.take(message(number))
    assert len(shelf) <= REACH / HOUR + 2

    shelf.take(message(9_000))
    assert len(shelf) == 1


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_in_whatever_order_the_log_has_them_only_the_last_stays(
    order: list[int], deleted: set[int]
) -> None:
    sent = [message(number) for number in order]
    said = [*sent, *(gone(number) for number in deleted)]

    assert sorted(replaced(*said)) == [
        f"d{n}" for n in range(5) if n not in deleted and (max({*range(6)} - deleted) > n)
    ]
