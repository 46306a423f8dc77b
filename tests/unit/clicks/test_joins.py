"""Joins: which changes are joins by a link, what links are called, and when to stop trying."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.log import LogUnavailableError
from chassis.log.reader import Entry
from clicks.domain.joins import Door, record_join
from clicks.domain.updates import Ignored, Join, JoinRequest, read
from clicks.joins import Joins
from clicks.telegram import TelegramError
from contracts.envelope import Envelope
from contracts.events import ConversionRecorded, InviteLinkCreated
from contracts.examples import USER, example

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHAT = -1001234
LINK = "https://t.me/+AbCdEfGhIjKlMnOp"


def member(status, **fields):
    return {"status": status, "user": {"id": USER}, **fields}


def change(before, after, link=LINK):
    fields = {
        "chat": {"id": CHAT, "type": "channel"},
        "from": {"id": 5},
        "date": 1_700_000_000,
        "old_chat_member": before,
        "new_chat_member": after,
    }
    if link:
        fields["invite_link"] = {"invite_link": link}
    return {"update_id": 3, "chat_member": fields}


OUTSIDE = [member("left"), member("kicked"), member("restricted", is_member=False)]
INSIDE = [member("member"), member("administrator"), member("restricted", is_member=True)]


@pytest.mark.parametrize("before", OUTSIDE)
@pytest.mark.parametrize("after", INSIDE)
def test_who_becomes_a_member_by_a_link_has_joined(before, after):
    assert read(change(before, after)) == Join(3, CHAT, USER, LINK, 1_700_000_000)


@pytest.mark.parametrize(
    "update",
    [
        *(change(before, after) for before in OUTSIDE + INSIDE for after in OUTSIDE),
        *(change(before, after) for before in INSIDE for after in INSIDE),
        change(member("left"), member("member"), link=None),
    ],
)
def test_other_changes_of_members_are_no_joins(update):
    assert isinstance(read(update), Ignored)


def test_a_request_names_who_asks_and_by_which_link():
    request = {
        "chat": {"id": CHAT},
        "from": {"id": USER},
        "date": 1,
        "invite_link": {"invite_link": LINK},
    }

    assert read({"update_id": 4, "chat_join_request": request}) == JoinRequest(4, CHAT, USER, LINK)
    del request["invite_link"]
    assert read({"update_id": 4, "chat_join_request": request}) == Ignored("chat_join_request")


@pytest.mark.parametrize("campaign", ["p", "a-very-long-name-of-a-campaign-that-goes-on-and-on"])
def test_a_link_s_name_is_short_readable_and_different_for_each_door(campaign):
    doors = [
        Door(campaign, channel, "@club", 7, by_request)
        for channel in ("@news", "@a_channel_with_a_very_long_name", "-1001234567890123")
        for by_request in (False, True)
    ]
    names = {door.name for door in doors}

    assert len(names) == len(doors)
    assert max(map(len, names)) <= 32
    assert all(name.startswith(campaign[:20]) for name in names)


def test_a_join_is_known_by_chat_and_person_alone():
    first = record_join(Join(1, CHAT, USER, LINK, None), example(InviteLinkCreated), NOW)
    again = record_join(Join(9, CHAT, USER, "other", None), example(InviteLinkCreated), NOW)

    assert isinstance(first.event, ConversionRecorded)
    assert first.event.once_over == again.event.once_over
    assert (first.event.campaign, first.event.user_id) == ("promos", USER)
    assert (first.event.delivery, first.event.amount) == (None, None)


class FakeTelegram:
    """Fails each call with `error`, or takes it where that is None."""

    def __init__(self, error):
        self.error = error

    async def call(self, method, parameters):
        assert method == "approveChatJoinRequest"
        if self.error:
            raise self.error


class FakeReader:
    async def last(self, subject):
        event = example(InviteLinkCreated, link=LINK, by_request=True)
        return Entry(1, Envelope.of(event, source="/clicks", now=NOW, cause=None), NOW)


async def test_a_request_is_tried_again_for_a_while_and_holds_up_others_no_longer():
    now = [NOW]
    telegram = FakeTelegram(TelegramError("bad gateway", status=502))
    joins = Joins(telegram, None, lambda: now[0])
    joins.open(None, FakeReader())
    request = JoinRequest(4, CHAT, USER, LINK)

    for seconds in (0, 50, 100):
        now[0] = NOW + timedelta(seconds=seconds)
        with pytest.raises(LogUnavailableError):
            await joins.asked(request)
    now[0] = NOW + timedelta(seconds=101)
    assert (await joins.asked(request)).event is None


@pytest.mark.parametrize("error", [None, TelegramError("HIDE_REQUESTER_MISSING", status=400)])
async def test_a_definite_answer_to_a_request_is_the_end_of_it(error):
    joins = Joins(FakeTelegram(error), None, lambda: NOW)
    joins.open(None, FakeReader())

    assert (await joins.asked(JoinRequest(4, CHAT, USER, LINK))).calls == ()
