"""Joins over a real log and the sandbox: a link for each campaign and channel, and who came."""

import asyncio
import signal
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest

from clicks import joins
from clicks.domain.words import ENGLISH
from contracts.campaign import JoinCta
from contracts.events import (
    BotStarted,
    ConversionRecorded,
    CtaClicked,
    InviteLinkCreated,
    PromoDue,
)
from contracts.examples import SLOT, example
from contracts.ids import delivery_id
from harness.gates import Hold, http_gate, nats_gate
from harness.waiting import until
from stack.ports import free_port

PHONE = {"User-Agent": "Mozilla/5.0 (iPhone) Safari/604.1"}
ANN, BOB = 9_000_001, 9_000_002


@pytest.fixture
async def club(stage):
    """A chat of its own to join, in which the bot is an administrator."""
    chat = stage.channel - 100_000
    await stage.sandbox.put_chat(chat, "Club", type="supergroup")
    await stage.sandbox.put_person(BOB, "Bob")
    return chat


@pytest.fixture
def invite_by(stage, log, club):
    """Return a function that makes a promo due which invites; it returns the CTA's token."""

    async def invite(campaign="promos", channel="@news", *, by_request=False):
        cta = JoinCta(kind="join", label="Join", chat=str(club), by_request=by_request)
        variant = example(PromoDue).variant.model_copy(update={"ctas": (cta,)})
        delivery = delivery_id(campaign, channel, SLOT)
        due = {"campaign": campaign, "channel": channel, "delivery": delivery, "variant": variant}
        await log.say(example(PromoDue, **due))
        return stage.token(delivery)

    return invite


@pytest.fixture
async def start(stage, nats_url, process):
    """Return a function that starts a clicks and returns it and its address; all end afterwards."""
    started = []

    async def start(mode="polling", url=None, **variables):
        port = free_port()
        whole = url or nats_url
        webhook = mode == "webhook"
        given = stage.webhook_environment(whole, port) if webhook else stage.environment(whole)
        clicks = process({**given, **variables}, port)
        clicks.start()
        started.append(clicks)
        address = f"http://127.0.0.1:{port}"
        await clicks.answers(f"{address}/readyz", 60)
        await stage.heeded()
        return clicks, address

    yield start
    for clicks in started:
        await clicks.kill()


async def follow(address, token):
    async with httpx.AsyncClient(headers=PHONE, timeout=30) as client:
        return await client.get(f"{address}/r/{token}")


async def joins_in(log, count):
    found = await until(
        lambda: log.events(ConversionRecorded), lambda e: len(e) >= count, seconds=60
    )
    return [(c.kind, c.user_id, c.campaign, c.channel, c.delivery) for c in found]


async def confirmed(stage):
    return (await stage.sandbox.updates(stage.bot_id))["pending_count"] == 0


async def revoked(stage):
    calls = await stage.sandbox.calls("revokeChatInviteLink")
    return [call for call in calls if call["bot_id"] == stage.bot_id]


async def made(stage):
    calls = await stage.sandbox.calls("createChatInviteLink")
    return [call for call in calls if call["bot_id"] == stage.bot_id]


@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_two_campaigns_in_two_channels_have_four_links_by_which_joins_are_told_apart(
    mode, stage, log, club, invite_by, start
):
    places = [(c, channel) for c in ("guides", "promos") for channel in ("@news", "-1001")]
    tokens = [await invite_by(*place) for place in places]
    _, address = await start(mode)

    answers = [await follow(address, token) for token in tokens for _ in range(2)]
    links = [answer.headers["location"] for answer in answers]
    for person, link in enumerate(dict.fromkeys(links), start=9_000_100):
        await stage.sandbox.put_person(person, "Eve")
        await stage.sandbox.join(person, invite_link=link)
    joined = await joins_in(log, 4)

    assert {answer.status_code for answer in answers} == {302}
    assert links[::2] == links[1::2]
    assert len(set(links)) == 4
    created = await log.events(InviteLinkCreated)
    assert [(c.campaign, c.channel, c.link) for c in created] == [
        (*place, link) for place, link in zip(places, links[::2], strict=True)
    ]
    assert {(c.chat, c.bot_id, c.by_request) for c in created} == {(str(club), stage.bot_id, False)}
    assert len({c.name for c in created}) == 4
    assert sorted(joined) == sorted(
        ("join", person, *place, None) for person, place in enumerate(places, start=9_000_100)
    )
    clicks = await log.events(CtaClicked)
    assert [(c.via, c.verdict, c.user_id) for c in clicks] == [("link", "human", None)] * 8


@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_who_leaves_and_joins_again_counts_once(mode, stage, log, club, invite_by, start):
    token = await invite_by()
    _, address = await start(mode)
    link = (await follow(address, token)).headers["location"]

    for _ in range(2):
        await stage.sandbox.join(ANN, invite_link=link)
        await stage.sandbox.leave(ANN, club)
    await stage.sandbox.join(BOB, invite_link=link)
    joined = await joins_in(log, 2)
    await until(lambda: confirmed(stage), bool)

    # In whichever order: different people do not wait for each other.
    assert sorted(joined) == [("join", who, "promos", "@news", None) for who in (ANN, BOB)]
    found = await log.events(ConversionRecorded)
    assert sorted(c.source_id for c in found) == [f"join{club}-{ANN}", f"join{club}-{BOB}"]
    [envelope] = [e for e in await log.envelopes() if isinstance(e.data, InviteLinkCreated)]
    [first, _] = [e for e in await log.envelopes() if isinstance(e.data, ConversionRecorded)]
    assert (first.causationid, first.correlationid) == (envelope.id, "promos")


@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_who_asks_by_a_link_of_ours_is_let_in_even_if_telegram_fails_at_first(
    mode, stage, log, invite_by, start
):
    token = await invite_by(by_request=True)
    _, address = await start(mode)
    link = (await follow(address, token)).headers["location"]
    await stage.sandbox.plan_fault("server_error", "approveChatJoinRequest")

    asked = await stage.sandbox.join(ANN, invite_link=link)
    joined = await joins_in(log, 1)

    assert asked["status"] == "pending"
    assert joined == [("join", ANN, "promos", "@news", None)]


async def test_links_and_requests_of_others_are_left_alone(stage, log, club, invite_by, start):
    token = await invite_by()
    _, address = await start()
    ours = (await follow(address, token)).headers["location"]
    foreign = {"chat_id": club, "name": "foreign"}
    plain = (await stage.call("createChatInviteLink", **foreign))["result"]["invite_link"]
    asking = await stage.call("createChatInviteLink", **foreign, creates_join_request=True)

    await stage.sandbox.join(ANN, invite_link=plain)
    pending = await stage.sandbox.join(BOB, invite_link=asking["result"]["invite_link"])
    # As Telegram shows the links of other administrators.
    person = {"user": {"id": BOB}}
    cut = {
        "chat": {"id": club},
        "from": {"id": BOB},
        "date": 1,
        "old_chat_member": {"status": "left", **person},
        "new_chat_member": {"status": "member", **person},
        "invite_link": {"invite_link": f"{ours[:-8]}..."},
    }
    await stage.sandbox.inject(stage.bot_id, {"chat_member": cut})
    await until(lambda: confirmed(stage), bool)

    assert pending["status"] == "pending"
    assert await log.events(ConversionRecorded) == []
    calls = await stage.sandbox.calls("approveChatJoinRequest")
    assert [call for call in calls if call["bot_id"] == stage.bot_id] == []


async def test_of_two_replicas_that_make_a_link_at_once_one_takes_its_own_back(
    stage, log, invite_by, start
):
    token = await invite_by()
    # Both replicas ask for a link before either gets one: neither finds the other's in the log.
    holds = [Hold(b"/createChatInviteLink") for _ in range(2)]
    async with AsyncExitStack() as gates:
        ways = [await gates.enter_async_context(http_gate(stage.api, [hold])) for hold in holds]
        apis = [{"FINGERPOST_TELEGRAM_API": way} for way in ways]
        addresses = [(await start("webhook", **api))[1] for api in apis]
        following = [asyncio.create_task(follow(a, token)) for a in addresses * 3]
        for hold in holds:
            await asyncio.wait_for(hold.reached.wait(), 20)
        for hold in holds:
            hold.release.set()
        answers = await asyncio.gather(*following)

    [created] = await log.events(InviteLinkCreated)
    assert {answer.headers["location"] for answer in answers} == {created.link}
    assert (len(await made(stage)), len(await revoked(stage))) == (2, 1)
    await stage.sandbox.join(ANN, invite_link=created.link)
    assert await joins_in(log, 1) == [("join", ANN, "promos", "@news", None)]


async def test_killed_before_its_link_was_recorded_it_makes_another_one_that_counts(
    stage, log, nats_url, invite_by, start
):
    token = await invite_by()
    hold = Hold(rb"HPUB invite\.created")
    async with nats_gate(nats_url, [hold]) as held:
        clicks, address = await start("polling", held)
        following = asyncio.create_task(follow(address, token))
        await asyncio.wait_for(hold.reached.wait(), 20)
        clicks.send(signal.SIGKILL)
        await clicks.ended(10)
    [ended] = await asyncio.gather(following, return_exceptions=True)
    # Killed a moment later it may still say that the log did not acknowledge.
    assert isinstance(ended, httpx.TransportError) or ended.status_code == 503

    _, address = await start()
    link = (await follow(address, token)).headers["location"]

    assert [c.link for c in await log.events(InviteLinkCreated)] == [link]


async def test_a_restart_finds_the_link_in_the_log(stage, log, invite_by, start):
    token = await invite_by()
    first, address = await start()
    before = (await follow(address, token)).headers["location"]
    await first.stop()
    _, address = await start()

    assert (await follow(address, token)).headers["location"] == before
    assert len(await made(stage)) == 1


async def test_where_the_bot_may_not_invite_the_click_counts_and_the_page_says_so(
    stage, log, club, nats_url, invite_by, run_here, monkeypatch
):
    monkeypatch.setattr(joins, "_PAUSE", timedelta(seconds=2))
    await stage.sandbox.put_chat(club, "Club", bots={str(stage.bot_id): {"status": "member"}})
    token = await invite_by()
    async with run_here(stage.webhook_environment(nats_url, 1)) as edge:
        await edge.ready()
        refused = [await edge.http.get(f"/r/{token}", headers=PHONE) for _ in range(3)]
        calls = len(await made(stage))
        await stage.sandbox.put_chat(club, "Club", bots={})
        opened = await until(
            lambda: edge.http.get(f"/r/{token}", headers=PHONE), lambda a: a.status_code == 302
        )

    assert {answer.status_code for answer in refused} == {503}
    assert refused[0].headers["retry-after"] == "600"
    assert "cannot be used at the moment" in refused[0].text
    assert calls <= 2  # and not one each time, but where a pause passed meanwhile
    assert opened.headers["location"].startswith("https://t.me/+")
    assert len(await log.events(CtaClicked)) >= 4


async def test_while_telegram_fails_the_person_is_asked_to_come_back_soon(
    stage, log, nats_url, invite_by, run_here
):
    token = await invite_by()
    async with run_here(stage.webhook_environment(nats_url, 1)) as edge:
        await edge.ready()
        await stage.sandbox.plan_fault("html_502", "createChatInviteLink")
        answer = await edge.http.get(f"/r/{token}", headers=PHONE)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert len(await log.events(CtaClicked)) == 1


async def test_in_the_bot_s_chat_the_invitation_is_a_button_or_a_word_of_excuse(
    stage, log, nats_url, invite_by, run_here, monkeypatch
):
    monkeypatch.setattr(joins, "_PAUSE", timedelta(0))
    token = await invite_by()
    async with run_here(stage.environment(nats_url)) as edge:
        await edge.ready()
        await stage.sandbox.plan_fault("server_error", "createChatInviteLink")
        await stage.sandbox.start(ANN, stage.username, token)
        await until(lambda: said(stage), lambda entries: len(entries) == 1)
        await stage.sandbox.start(ANN, stage.username, token)
        excuse, entry = await until(lambda: said(stage), lambda entries: len(entries) == 2)

    assert (excuse["text"], excuse["buttons"]) == (ENGLISH.later, [])
    [[button]] = entry["buttons"]
    [created] = await log.events(InviteLinkCreated)
    assert (entry["text"], button["text"], button["url"]) == (
        ENGLISH.come_in,
        "Join",
        created.link,
    )
    assert len(await log.events(BotStarted)) == 2


async def said(stage):
    everything = await stage.sandbox.private_messages(ANN)
    return [e for e in everything if e["bot_id"] == stage.bot_id]
