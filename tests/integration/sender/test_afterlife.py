"""What becomes of messages after their time, against a real log and a real Bot API with faults."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from faststream.exceptions import NackMessage

from contracts.campaign import Medium, Variant
from contracts.events import MessageSent, MessageUncertain, MessageWithdrawn
from contracts.examples import example
from contracts.subjects import MESSAGES
from harness.afterlives import MINUTE, OFFER, Lives, expiring, offer, stand
from harness.sandboxes import BOT_ID, CHANNEL, OTHER_CHANNEL
from harness.sending import Sending, due_now
from harness.waiting import until
from sender.afterlife import KIND
from sender.console.uncertain import resolve
from sender.domain.deliveries import names
from sender.domain.pacing import Limits, Pacing
from sender.handlers import deliver
from sender.lane import Line
from sender.limiter import Limiter

PHOTO = Medium(kind="photo", url="https://example.org/a.jpg")
PICTURE = OFFER.model_copy(update={"media": PHOTO})
ALBUM = OFFER.model_copy(update={"album": (PHOTO, PHOTO), "album_text": "Take it:"})
OVER = "This offer is <b>over</b>."


@pytest_asyncio.fixture
async def lives(sending: Sending) -> AsyncIterator[Lives]:
    lives = Lives(sending)
    keeping = asyncio.create_task(lives.life.keep_shelf())
    yield lives
    keeping.cancel()


async def expired(lives: Lives, variant: Variant, action: str, text: str | None = None) -> Any:
    """Return a message whose time has come."""
    due = offer(variant=variant, expire=expiring(action, text))
    return await stand(lives.sending, due, withdraw_at=lives.now())


async def shown(lives: Lives, channel: int = CHANNEL) -> list[dict[str, Any]]:
    """Return what stands in the channel."""
    found = await lives.sending.stage.people.messages(channel)
    return [message for message in found if not message["deleted"]]


async def stands(lives: Lives, sent: MessageSent) -> list[tuple[str, bool]]:
    """Return the last word of a message that stands, and whether it is pinned."""
    ours = [m for m in await shown(lives) if m["message_id"] == sent.message_id]
    return [(message["text"].split()[-1], message["pinned"]) for message in ours]


async def withdrawn(lives: Lives) -> list[tuple[str, str, str]]:
    """Return what the log says was withdrawn: the action, the reason, the outcome."""
    said = await lives.sending.log.events(MessageWithdrawn)
    return [(event.action, event.reason, event.outcome) for event in said]


async def calls(lives: Lives) -> list[str]:
    """Return which calls that withdraw were made."""
    made = await lives.sending.stage.people.calls()
    return [
        call["method"] for call in made if call["method"].startswith(("edit", "delete", "unpin"))
    ]


async def postponed(lives: Lives, sent: MessageSent) -> float:
    """Let `sent` be handled, which is to be asked for again; return after how many seconds."""
    with pytest.raises(NackMessage) as later:
        await lives.see_to(sent)
    return float(later.value.extra_options["delay"])


# --- the plan -----------------------------------------------------------------------------------


async def test_what_is_sent_says_when_it_is_to_be_withdrawn(sending: Sending) -> None:
    due = offer(expire=expiring("edit"), delete_previous=True)

    await deliver(due, sending.desk)
    await deliver(due_now(1), sending.desk)

    planned, plain = await sending.log.events(MessageSent)
    assert planned.withdraw_at == planned.sent_at + MINUTE
    assert planned.delete_previous
    assert (plain.withdraw_at, plain.delete_previous) == (None, False)


async def test_what_a_person_says_was_sent_is_to_be_withdrawn_too(sending: Sending) -> None:
    due = offer(expire=expiring("edit"))
    sent = await stand(sending, offer(1))
    doubt = example(MessageUncertain, **names(due))
    claim = example(type((await _claims(sending))[0]), **names(due), claimed_at=sent.sent_at)
    await sending.log.say(due, claim, doubt)

    await resolve(
        sending.log.connection,
        due.delivery,
        "posted",
        message_id=9,
        clock=sending.desk.clock,
        actor="owner",
    )

    said = (await sending.log.events(MessageSent))[-1]
    assert said.withdraw_at == sent.sent_at + MINUTE


async def _claims(sending: Sending) -> list[Any]:
    return [e.data for e in await sending.log.envelopes() if "claimed" in e.type]


async def test_a_message_is_left_alone_until_its_time(lives: Lives) -> None:
    due = offer(expire=expiring("delete"))
    sent = await stand(lives.sending, due, withdraw_at=lives.now() + timedelta(minutes=5))
    long = await stand(lives.sending, offer(1), withdraw_at=lives.now() + timedelta(days=5))

    assert 290 < await postponed(lives, sent) <= 300
    assert await postponed(lives, long) == 3600
    assert await calls(lives) == []


# --- how it is withdrawn ------------------------------------------------------------------------


async def test_a_text_is_edited_and_its_buttons_go(lives: Lives) -> None:
    sent = await expired(lives, OFFER, "edit", OVER)

    for _ in range(3):
        await lives.see_to(sent)

    [message] = await shown(lives)
    assert message["text"] == "This offer is over."
    assert message["message"]["entities"] == [{"type": "bold", "offset": 14, "length": 4}]
    assert message["buttons"] == []
    assert await withdrawn(lives) == [("edit", "expired", "done")]
    assert await calls(lives) == ["editMessageText"]


@pytest.mark.parametrize("variant", [OFFER, PICTURE], ids=["text", "photo"])
async def test_without_a_text_only_the_buttons_go(lives: Lives, variant: Variant) -> None:
    await lives.see_to(await expired(lives, variant, "edit"))

    [message] = await shown(lives)
    assert message["text"].endswith(OFFER.text)
    assert message["buttons"] == []
    assert await withdrawn(lives) == [("edit", "expired", "done")]


async def test_the_caption_of_a_photo_is_edited(lives: Lives) -> None:
    await lives.see_to(await expired(lives, PICTURE, "edit", OVER))

    [message] = await shown(lives)
    assert (message["text"], message["buttons"]) == ("This offer is over.", [])
    assert message["message"]["photo"]


async def test_an_album_gets_a_new_caption_and_the_message_below_it_loses_its_buttons(
    lives: Lives,
) -> None:
    await lives.see_to(await expired(lives, ALBUM, "edit", OVER))

    first, second, below = await shown(lives)
    assert (first["text"], second["text"]) == ("This offer is over.", "")
    assert below["text"].endswith("Take it:")
    assert below["buttons"] == []
    assert await withdrawn(lives) == [("edit", "expired", "done")]


async def test_buttons_below_an_album_that_nobody_knows_are_told(lives: Lives) -> None:
    sent = await expired(lives, ALBUM, "edit")
    unknown = sent.model_copy(update={"delivery": "other", "follow_up_id": None})
    await lives.sending.log.say(
        example(type(offer()), variant=ALBUM, delivery="other", expire=expiring("edit")),
        *(claim.model_copy(update={"delivery": "other"}) for claim in await _claims(lives.sending)),
        unknown,
    )

    await lives.see_to(unknown)

    [said] = await lives.sending.log.events(MessageWithdrawn)
    assert (said.outcome, await calls(lives)) == ("refused", [])
    assert "below the album" in said.description


@pytest.mark.parametrize("variant", [OFFER, ALBUM], ids=["one", "album"])
async def test_all_that_was_posted_is_deleted(lives: Lives, variant: Variant) -> None:
    await lives.sending.stage.people.post(CHANNEL, "A person's word.")
    sent = await expired(lives, variant, "delete")
    await lives.sending.stage.people.post(CHANNEL, "Another one's.")

    await lives.see_to(sent)

    assert [message["text"] for message in await shown(lives)] == [
        "A person's word.",
        "Another one's.",
    ]
    assert await withdrawn(lives) == [("delete", "expired", "done")]


async def test_only_the_message_itself_is_unpinned(lives: Lives) -> None:
    pinned = OFFER.model_copy(update={"pin": True})
    sent = await expired(lives, pinned, "unpin")
    await stand(lives.sending, offer(1, variant=pinned))

    async def pins() -> list[int]:
        return [m["message_id"] for m in await shown(lives) if m["pinned"]]

    first, second = await until(pins, lambda found: len(found) == 2)
    await lives.see_to(sent)

    assert first == sent.message_id
    assert await pins() == [second]
    assert await withdrawn(lives) == [("unpin", "expired", "done")]


# --- what goes wrong ----------------------------------------------------------------------------

METHODS = {"edit": "editMessageText", "delete": "deleteMessage", "unpin": "unpinChatMessage"}
AFTER = {"edit": [("over.", True)], "delete": [], "unpin": [("only.", False)]}
"""What stands then of a pinned message: its last word, and whether it is pinned."""


@pytest.mark.parametrize("action", METHODS)
@pytest.mark.parametrize("kind", ["accept_then_drop", "html_502"])
async def test_a_lost_answer_is_asked_for_again(lives: Lives, kind: str, action: str) -> None:
    text = OVER if action == "edit" else None
    sent = await expired(lives, OFFER.model_copy(update={"pin": True}), action, text)
    await until(lambda: stands(lives, sent), lambda found: found == [("only.", True)])
    await lives.sending.stage.people.plan_fault(kind, METHODS[action])

    assert await postponed(lives, sent) >= 5
    assert await withdrawn(lives) == []
    await lives.see_to(sent)

    gone = kind == "accept_then_drop" and action == "delete"
    outcome = "absent" if gone else "done"
    assert await withdrawn(lives) == [(action, "expired", outcome)]
    assert await stands(lives, sent) == AFTER[action]


async def test_an_unreadable_result_means_that_it_is_done(lives: Lives) -> None:
    sent = await expired(lives, OFFER, "edit", OVER)
    await lives.sending.stage.people.plan_fault("bad_result", "editMessageText")

    await lives.see_to(sent)

    assert await withdrawn(lives) == [("edit", "expired", "done")]


@pytest.mark.parametrize(
    ("kind", "seconds"), [("too_many", 40), ("too_many_without_parameters", 5), ("restart", 10)]
)
async def test_what_telegram_does_not_take_now_is_asked_for_later(
    lives: Lives, kind: str, seconds: float
) -> None:
    sent = await expired(lives, OFFER, "edit", OVER)
    await lives.sending.stage.people.plan_fault(kind, "editMessageText", retry_after=40)

    assert await postponed(lives, sent) == seconds
    assert await withdrawn(lives) == []
    if kind == "too_many":
        # The whole chat waits, for posts and for whatever else is to be done there.
        assert await postponed(lives, sent) > 30
        assert await calls(lives) == ["editMessageText"]


async def test_a_refused_token_stops_its_lane(lives: Lives) -> None:
    sent = await expired(lives, OFFER, "edit", OVER)
    people = lives.sending.stage.people
    await people.put_bot(BOT_ID, f"{BOT_ID}:another-token", "sandbox_test_bot")

    await postponed(lives, sent)

    assert not lives.sending.lane.token.accepted
    await postponed(lives, sent)
    await people.put_bot(BOT_ID, f"{BOT_ID}:test-token", "sandbox_test_bot")
    await lives.sending.lane.token.ask()
    await lives.see_to(sent)
    assert await withdrawn(lives) == [("edit", "expired", "done")]


@pytest.mark.parametrize("why", ["token", "log"])
async def test_those_who_wait_for_the_same_do_not_come_back_all_at_once(
    sending: Sending, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sender.afterlife.Line", partial(Line, now=lambda: 0.0))
    lives = Lives(sending)  # which has not read what replaces what
    if why == "token":
        sent = await expired(lives, OFFER, "edit", OVER)
        sending.lane.token.refuse()
    else:
        sent = await replacing(lives, 0)

    back = [await postponed(lives, sent) for _ in range(10)]

    # The log gives out first what comes again: many at once would keep out what is new.
    assert min(after - before for before, after in itertools.pairwise(back)) > 0.005


@pytest.mark.parametrize("action", METHODS)
async def test_what_telegram_does_not_let_the_bot_do_is_told(lives: Lives, action: str) -> None:
    text = OVER if action == "edit" else None
    sent = await expired(lives, OFFER.model_copy(update={"pin": True}), action, text)
    rights = {"can_post_messages": False, "can_edit_messages": False, "can_delete_messages": False}
    bots = {str(BOT_ID): {"status": "administrator", **rights}}
    await lives.sending.stage.people.put_chat(CHANNEL, "One", type="channel", bots=bots)

    await lives.see_to(sent)

    # What may not be deleted is to be edited at least, which is not allowed here either.
    [said] = await lives.sending.log.events(MessageWithdrawn)
    assert (said.action, said.outcome) == ("edit" if action == "delete" else action, "refused")
    assert "rights" in said.description or "can't be edited" in said.description


@pytest.mark.parametrize("action", METHODS)
async def test_what_somebody_removed_before_is_absent(lives: Lives, action: str) -> None:
    text = OVER if action == "edit" else None
    sent = await expired(lives, OFFER.model_copy(update={"pin": True}), action, text)
    await lives.sending.telegram.bot.delete_message(CHANNEL, sent.message_id)

    await lives.see_to(sent)

    assert await withdrawn(lives) == [(action, "expired", "absent")]


@pytest.mark.parametrize("whose", ["telegram's", "the sender's", "both"])
async def test_what_is_too_old_to_be_deleted_loses_its_buttons_by_whatever_clock(
    lives: Lives, whose: str
) -> None:
    due = offer(expire=expiring("delete"))
    ago = timedelta() if whose == "telegram's" else timedelta(hours=49)
    sent = await stand(lives.sending, due, ago=ago, withdraw_at=lives.now())
    if whose != "the sender's":
        await lives.sending.stage.people.advance_clock(49 * 3600)

    for _ in range(2):
        await lives.see_to(sent)

    [message] = await shown(lives)
    assert (message["text"].endswith(OFFER.text), message["buttons"]) == (True, [])
    assert await withdrawn(lives) == [("edit", "expired", "done")]


async def test_it_waits_for_its_turn_behind_a_flood(lives: Lives) -> None:
    sent = await expired(lives, OFFER, "edit", OVER)
    pacing = lives.sending.lane.limiter._pacing
    pacing.flooded(str(CHANNEL), 30, time.monotonic(), 0)

    assert await postponed(lives, sent) > 20
    assert await calls(lives) == []


async def test_a_bot_that_is_not_here_is_waited_for_but_not_for_ever(lives: Lives) -> None:
    sent = await expired(lives, OFFER, "edit", OVER)
    lives.life._lane_of = lambda _: None

    assert await postponed(lives, sent) == 10
    lives.ahead = timedelta(days=3)
    await lives.see_to(sent)

    [said] = await lives.sending.log.events(MessageWithdrawn)
    assert (said.outcome, said.description) == (
        "refused",
        "the sender has not got the bot that posted it",
    )


async def test_a_message_whose_due_event_is_gone_is_left_alone(lives: Lives) -> None:
    sent = example(MessageSent, withdraw_at=lives.now())
    await lives.sending.log.say(sent)

    await lives.see_to(sent)

    assert await withdrawn(lives) == []


# --- what takes its place -----------------------------------------------------------------------


async def replacing(lives: Lives, number: int, channel: int = CHANNEL, **fields: Any) -> Any:
    """Return a message that takes the place of those before it."""
    due = offer(number, channel, delete_previous=True)
    return await stand(lives.sending, due, delete_previous=True, **fields)


async def see_to_all(lives: Lives, *sent: MessageSent) -> None:
    """Handle each of `sent` until there is nothing more to do, as the log would ask for it."""

    async def done(one: MessageSent) -> bool:
        try:
            await lives.see_to(one)
        except NackMessage:
            return False
        return True

    for one in sent:
        await until(lambda one=one: done(one), bool)


async def numbers(lives: Lives, channel: int = CHANNEL) -> list[int]:
    return [message["message_id"] for message in await shown(lives, channel)]


async def test_a_message_takes_the_place_of_those_before_it(lives: Lives) -> None:
    other = await stand(lives.sending, offer(9, campaign="guides"))
    sent = [await replacing(lives, number) for number in (3, 2, 1)]
    elsewhere = await replacing(lives, 4, OTHER_CHANNEL)

    await see_to_all(lives, *sent, elsewhere)

    assert await numbers(lives) == [other.message_id, sent[-1].message_id]
    assert await numbers(lives, OTHER_CHANNEL) == [elsewhere.message_id]
    assert await withdrawn(lives) == [("delete", "replaced", "done")] * 2


async def test_handled_again_by_another_sender_it_replaces_nothing_twice(lives: Lives) -> None:
    sent = [await replacing(lives, number) for number in (2, 1)]
    await see_to_all(lives, *sent)
    another = Lives(lives.sending)
    keeping = asyncio.create_task(another.life.keep_shelf())
    await all_folded(another)

    await see_to_all(another, *sent)

    keeping.cancel()
    assert await numbers(lives) == [sent[1].message_id]
    assert len(await calls(lives)) == 1
    assert len(await withdrawn(lives)) == 1


async def all_folded(lives: Lives) -> None:
    """Wait until it knows all that was said: what was withdrawn too, and not only what was sent."""
    last = await lives.sending.log.reader.newest(MESSAGES)
    lives.life._asked.set()
    await until(lambda: asyncio.sleep(0, lives.life._folded), lambda folded: folded >= last)


async def test_two_senders_at_once_record_it_once(lives: Lives) -> None:
    another = Lives(lives.sending)
    keeping = asyncio.create_task(another.life.keep_shelf())
    sent = [await replacing(lives, number) for number in range(6)]

    await asyncio.gather(see_to_all(lives, *sent), see_to_all(another, *sent))

    keeping.cancel()
    assert await numbers(lives) == [sent[-1].message_id]
    assert len(await withdrawn(lives)) == 5


async def test_a_message_that_cannot_be_replaced_yet_holds_up_nothing_else(lives: Lives) -> None:
    stuck = await replacing(lives, 4)
    await replacing(lives, 3)
    plan = expiring("edit", OVER)
    due = offer(2, delete_previous=True, expire=plan)
    last = await stand(lives.sending, due, delete_previous=True, withdraw_at=lives.now())
    await lives.sending.stage.people.plan_fault("html_502", "deleteMessage", times=1)

    # Until the log was read, what replaces what is not known.
    waits = await until(lambda: postponed(lives, last), lambda seconds: seconds >= 10)

    assert waits < 11
    assert await numbers(lives) == [stuck.message_id, last.message_id]
    assert sorted(await withdrawn(lives)) == [
        ("delete", "replaced", "done"),
        ("edit", "expired", "done"),
    ]
    await lives.see_to(last)
    assert await numbers(lives) == [last.message_id]


async def test_a_message_of_a_bot_that_is_gone_holds_up_nothing_else(lives: Lives) -> None:
    stuck = await replacing(lives, 4)
    await replacing(lives, 3)
    last = await replacing(lives, 2)
    lane_of_its_bot = lives.life._lane

    async def lane(sent: MessageSent) -> Any:
        return None if sent == stuck else await lane_of_its_bot(sent)

    lives.life._lane = lane  # type: ignore[method-assign]

    await until(lambda: postponed(lives, last), lambda seconds: seconds >= 10)

    assert await numbers(lives) == [stuck.message_id, last.message_id]
    assert await withdrawn(lives) == [("delete", "replaced", "done")]


async def test_a_bot_that_waits_holds_up_no_other(lives: Lives) -> None:
    due = [offer(number, expire=expiring("edit", OVER)) for number in range(12)]
    sent = [await stand(lives.sending, each, withdraw_at=lives.now()) for each in due]
    pacing = lives.sending.lane.limiter._pacing
    for chat in ("-1", "-2", "-3"):
        pacing.flooded(chat, 300, time.monotonic(), 0)

    waiting = {asyncio.create_task(lives.see_to(one)) for one in sent}

    async def ended() -> set[asyncio.Task[None]]:
        return {task for task in waiting if task.done()}

    # Those that wait for their turn are the workers of its lane; the others are sent away.
    done = await until(ended, lambda tasks: len(tasks) >= 12 - 8)
    assert all(isinstance(task.exception(), NackMessage) for task in done)
    for task in waiting - done:
        task.cancel()


@pytest.mark.parametrize("action", ["edit", "delete"])
async def test_what_takes_several_calls_is_done_in_one_turn(lives: Lives, action: str) -> None:
    sent = await expired(lives, ALBUM, action, OVER if action == "edit" else None)
    await lives.sending.stage.people.plan_fault("cannot_delete", "deleteMessages", times=9)
    limits = Limits(shares={KIND: 1}, unhurried=(KIND,))
    lane = replace(lives.sending.lane, limiter=Limiter(Pacing(limits), lambda: True))
    lives.life._lane_of = lambda _: lane

    await lives.see_to(sent)

    assert await withdrawn(lives) == [("edit", "expired", "done")]
    assert (await shown(lives))[-1]["buttons"] == []


async def test_what_is_too_old_loses_its_buttons_when_it_is_replaced(lives: Lives) -> None:
    old = await replacing(lives, 2, ago=timedelta(days=7))
    ancient = await replacing(lives, 3, ago=timedelta(days=9))
    new = await replacing(lives, 1)

    await see_to_all(lives, ancient, old, new)

    found = {message["message_id"]: bool(message["buttons"]) for message in await shown(lives)}
    assert found == {old.message_id: False, ancient.message_id: True, new.message_id: True}
    assert await withdrawn(lives) == [("edit", "replaced", "done")]


async def test_what_was_replaced_does_not_expire_any_more(lives: Lives) -> None:
    due = offer(2, expire=expiring("edit", OVER), delete_previous=True)
    old = await stand(lives.sending, due, delete_previous=True, withdraw_at=lives.now())
    new = await replacing(lives, 1)

    await see_to_all(lives, new, old)

    assert await numbers(lives) == [new.message_id]
    assert await withdrawn(lives) == [("delete", "replaced", "done")]
    assert await calls(lives) == ["deleteMessage"]


async def test_what_expired_is_replaced_all_the_same(lives: Lives) -> None:
    due = offer(2, expire=expiring("edit", OVER), delete_previous=True)
    old = await stand(lives.sending, due, delete_previous=True, withdraw_at=lives.now())
    await see_to_all(lives, old)
    new = await replacing(lives, 1)

    await see_to_all(lives, new, old)

    assert await numbers(lives) == [new.message_id]
    assert await withdrawn(lives) == [("edit", "expired", "done"), ("delete", "replaced", "done")]
