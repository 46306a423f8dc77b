"""A bot that is let in again, told by Telegram, with the sandbox in its place."""

import asyncio

import pytest

from chassis.clock import utc_now
from contracts.events import ChannelDisabled, ChannelEnabled
from contracts.examples import example
from harness.waiting import until
from stack.ports import free_port


def disabled(stage, channel, **fields):
    fields = {"happened_at": utc_now(), "actor": None, **fields}
    return example(ChannelDisabled, channel=str(channel), bot_id=stage.bot_id, **fields)


async def enabled(dues):
    return [(e.channel, e.username) for e in await dues.events(ChannelEnabled)]


async def confirmed(stage, count):
    async def delivered():
        seen = await stage.sandbox.updates(stage.bot_id)
        kinds = [kind for entry in seen["delivered"] for kind in entry["update"]]
        return seen["pending_count"] == 0 and kinds.count("my_chat_member") >= count

    await until(delivered, bool)


@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_promoted_again_it_enables_the_channel_by_the_name_that_was_disabled(
    mode, stage, dues, nats_url, process
):
    port = free_port()
    environment = stage.environment(nats_url)
    if mode == "webhook":
        environment = stage.webhook_environment(nats_url, port)
    clicks = process(environment, port)
    clicks.start()
    await clicks.answers(f"http://127.0.0.1:{port}/readyz", 60)
    username = f"channel_{stage.bot_id}"
    await stage.sandbox.put_chat(stage.channel, "One", type="channel", username=username)
    people, me = stage.sandbox, (stage.person, stage.channel, stage.username)

    await people.kick(*me)
    await people.promote(*me)
    await confirmed(stage, 2)
    of_the_undisabled = await enabled(dues)
    await dues.say(disabled(stage, f"@{username}"))
    await people.promote(*me, can_post_messages=False)
    await confirmed(stage, 3)
    without_the_right = await enabled(dues)
    await people.promote(*me)
    await confirmed(stage, 4)
    by_name = await enabled(dues)
    await dues.say(disabled(stage, stage.channel))
    await asyncio.gather(people.promote(*me), people.promote(*me))
    await confirmed(stage, 6)
    await clicks.stop()

    assert of_the_undisabled == without_the_right == []
    assert by_name == [(f"@{username}", f"@{username}")]
    assert await enabled(dues) == [*by_name, (str(stage.channel), f"@{username}")]


async def test_what_a_person_disabled_stays_disabled(stage, dues, nats_url, run_here):
    await dues.say(disabled(stage, stage.channel, actor="ann@office"))
    async with run_here(stage.environment(nats_url)) as edge:
        await edge.ready()
        await stage.sandbox.promote(stage.person, stage.channel, stage.username)
        await confirmed(stage, 1)

    assert await enabled(dues) == []
