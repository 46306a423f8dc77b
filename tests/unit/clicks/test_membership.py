"""Where the bot may post again, and what is said of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clicks.domain.membership import Admitted, enable
from clicks.domain.updates import read
from contracts.events import ChannelDisabled, ChannelEnabled, Event
from contracts.examples import example

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BOT_ID, CHANNEL = 4_200_001, -1001234567890
DISABLED = example(ChannelDisabled, happened_at=NOW - timedelta(hours=1), actor=None)


def admission(update: object) -> Admitted | None:
    asked = read(update)
    return asked if isinstance(asked, Admitted) else None


def change(kind: str, status: object, **fields: Any) -> dict[str, Any]:
    member = {"status": status, "user": {"id": BOT_ID, "is_bot": True}, **fields}
    chat = {"id": CHANNEL, "type": kind, "title": "x", "username": "Example"}
    date = int(NOW.timestamp())
    return {
        "update_id": 1,
        "my_chat_member": {"chat": chat, "date": date, "new_chat_member": member},
    }


@pytest.mark.parametrize(
    ("kind", "status", "rights", "may_post"),
    [
        ("channel", "administrator", {"can_post_messages": True}, True),
        ("channel", "administrator", {"can_post_messages": False}, False),
        ("channel", "administrator", {}, False),
        ("channel", "creator", {}, True),
        ("channel", "member", {}, False),
        ("channel", "left", {}, False),
        ("channel", "kicked", {}, False),
        ("supergroup", "member", {}, True),
        ("supergroup", "administrator", {}, True),
        ("supergroup", "restricted", {"can_send_messages": True}, True),
        ("supergroup", "restricted", {"can_send_messages": False}, False),
        ("supergroup", "kicked", {}, False),
        ("group", "member", {}, True),
        ("group", "left", {}, False),
        ("private", "member", {}, True),
        ("private", "kicked", {}, False),
        ("channel", 7, {}, False),
    ],
)
def test_a_status_that_lets_it_post(
    kind: str, status: object, rights: dict[str, bool], may_post: bool
) -> None:
    admitted = admission(change(kind, status, **rights))

    assert (admitted is not None) is may_post
    if admitted:
        assert admitted.names == (str(CHANNEL), "@example")


@pytest.mark.parametrize(
    "update",
    [
        None,
        {"my_chat_member": None},
        {"my_chat_member": {"chat": {"id": "x"}, "new_chat_member": {}}},
        {"message": {"text": "hello"}},
    ],
)
def test_other_updates_admit_it_nowhere(update: object) -> None:
    assert admission(update) is None


@pytest.mark.parametrize("username", [None, 7, "", "a b", "x" * 40])
def test_a_name_that_is_none_is_left_out(username: object) -> None:
    update = change("channel", "creator")
    update["my_chat_member"]["chat"]["username"] = username
    admitted = admission(update)

    assert admitted
    assert admitted.names == (str(CHANNEL),)


@pytest.mark.parametrize(
    ("last", "says_so"),
    [
        (DISABLED, True),
        (None, False),
        (example(ChannelEnabled), False),
        (DISABLED.model_copy(update={"actor": "ann@office"}), False),
        (DISABLED.model_copy(update={"happened_at": NOW + timedelta(seconds=30)}), True),
        (DISABLED.model_copy(update={"happened_at": NOW + timedelta(minutes=2)}), False),
    ],
    ids=["disabled", "nothing", "enabled", "by a person", "by clocks that differ", "since then"],
)
def test_only_what_telegram_disabled_before_is_enabled(last: Event | None, says_so: bool) -> None:
    admitted = admission(change("channel", "creator"))
    assert admitted

    event = enable(admitted, "@example", last, NOW)

    assert (event is not None) is says_so
    if event:
        assert (event.channel, event.username, event.bot_id) == ("@example", "@example", BOT_ID)
