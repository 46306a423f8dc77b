"""What each user of NATS may do, on a real server with the file that is deployed.

The tables here are written by hand, from the design; nothing is derived from the file.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from contracts.events import EVENTS, ConversionRecorded, Event
from contracts.examples import example
from contracts.streams import BUCKETS, CONSUMERS
from harness.secured import SecuredNats, secured_nats
from harness.waiting import until

SERVICES = ("scheduler", "sender", "clicks", "analytics")
BOUNDED = (*SERVICES, "forget", "provision", "backup")

SAID_BY = {
    "campaign.defined": {"scheduler"},
    "campaign.paused": {"scheduler"},
    "campaign.resumed": {"scheduler"},
    "campaign.retired": {"scheduler"},
    "campaign.triggered": {"scheduler"},
    "campaign.backfilled": {"scheduler"},
    "guide.due": {"scheduler"},
    "promo.due": {"scheduler"},
    "slot.missed": {"scheduler"},
    "message.claimed": {"sender"},
    "message.sent": {"sender"},
    "message.failed": {"sender"},
    "message.skipped": {"sender"},
    "message.uncertain": {"sender"},
    "message.unreadable": {"sender"},
    "message.withdrawn": {"sender"},
    "channel.disabled": {"sender"},
    "channel.enabled": {"sender", "clicks"},
    "channel.migrated": {"sender"},
    "cta.clicked": {"clicks"},
    "bot.started": {"clicks"},
    "bot.stopped": {"clicks"},
    "invite.created": {"clicks"},
    "conversion.recorded": {"clicks"},
    "forget.requested": {"clicks"},
    "user.forgotten": {"forget"},
}
EVERYTHING = {"analytics", "forget"}
READ_BY = {
    "campaign": {"scheduler"},
    "guide": {"scheduler", "sender", "clicks"},
    "promo": {"scheduler", "sender", "clicks"},
    "slot": {"scheduler"},
    "message": {"scheduler", "sender"},
    "channel": {"sender", "clicks"},
    "invite": {"clicks"},
    "conversion": {"clicks"},
}
FOLLOWED_BY = {
    "campaign": {"scheduler"},
    "message": {"sender"},
    "channel": {"sender", "clicks"},
    "conversion": {"clicks"},
}
OF_ADMINISTRATORS = (
    "STREAM.DELETE.EVENTS",
    "STREAM.PURGE.EVENTS",
    "STREAM.RESTORE.EVENTS",
    "STREAM.LEADER.STEPDOWN.EVENTS",
    "STREAM.PEER.REMOVE.EVENTS",
    "STREAM.DELETE.KV_sender_lease",
    "STREAM.PURGE.KV_clicks_stars",
    "STREAM.LIST",
    "META.LEADER.STEPDOWN",
    "ACCOUNT.PURGE.FINGERPOST",
    "SERVER.REMOVE",
    "CONSUMER.PAUSE.EVENTS.analytics-v1",
    "CONSUMER.UNPIN.EVENTS.analytics-v1",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def log(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredNats]:
    async with secured_nats(tmp_path_factory.mktemp("secured")) as secured:
        yield secured


async def allowed(log: SecuredNats, subject: str) -> set[str]:
    """Return which bounded users may publish to `subject`."""
    found = set()
    for user in BOUNDED:
        async with log.as_user(user) as asking:
            if await asking.may_publish(subject):
                found.add(user)
    return found


def subject_of(model: type[Event]) -> str:
    if model is ConversionRecorded:
        return example(ConversionRecorded, user_id=7).subject
    return example(model).subject


async def test_each_fact_is_said_by_its_service_alone(log: SecuredNats) -> None:
    said: dict[str, set[str]] = {model.fact(): set() for model in EVENTS}
    for user in BOUNDED:
        async with log.as_user(user) as asking:
            for model in EVENTS:
                if await asking.may_publish(subject_of(model), b"{}"):
                    said[model.fact()].add(user)

    assert said == SAID_BY


async def test_who_forgets_may_say_again_what_nobody_paid(log: SecuredNats) -> None:
    assert "forget" in await allowed(log, "conversion.recorded.anon.stars.charge")
    assert "forget" not in await allowed(log, "conversion.recorded.7.stars.charge")


@pytest.mark.parametrize(
    ("address", "readers"),
    [
        ("$JS.API.DIRECT.GET.EVENTS.{}", READ_BY),
        ("$JS.API.CONSUMER.CREATE.EVENTS.x.{}", FOLLOWED_BY),
    ],
)
async def test_each_service_reads_what_it_needs_and_nothing_else(
    address: str, readers: dict[str, set[str]], log: SecuredNats
) -> None:
    found: dict[str, set[str]] = {model.fact(): set() for model in EVENTS}
    for user in BOUNDED:
        async with log.as_user(user) as asking:
            for model in EVENTS:
                if await asking.may_publish(address.format(subject_of(model))):
                    found[model.fact()].add(user)

    wanted = {
        model.fact(): EVERYTHING | readers.get(model.fact().split(".")[0], set())
        for model in EVENTS
    }
    if readers is READ_BY:
        wanted["message.claimed"] |= {"clicks"}
    assert found == wanted


@pytest.mark.parametrize(
    ("question", "users"),
    [
        ("STREAM.MSG.GET.EVENTS", EVERYTHING),  # any event, by its sequence
        ("DIRECT.GET.EVENTS", set()),
        ("DIRECT.GET.EVENTS.>", EVERYTHING),
        ("CONSUMER.CREATE.EVENTS", set()),
        ("CONSUMER.CREATE.EVENTS.x", EVERYTHING),  # of all subjects
        ("CONSUMER.CREATE.EVENTS.x.>", EVERYTHING),
        ("CONSUMER.CREATE.EVENTS.x.*.>", EVERYTHING),
        ("CONSUMER.CREATE.EVENTS.x.conversion.>", EVERYTHING),
        ("CONSUMER.DURABLE.CREATE.EVENTS.x", {"analytics", "provision"}),
        ("CONSUMER.MSG.NEXT.EVENTS.analytics-v1", EVERYTHING),
        ("CONSUMER.MSG.NEXT.EVENTS.sender-guide", {"sender"}),
        ("CONSUMER.CREATE.EVENTS.sender-guide", set()),
        ("CONSUMER.CREATE.EVENTS.sender-guide.guide.due.*", set()),
        ("CONSUMER.CREATE.EVENTS.sender-sent.message.sent.*", set()),
        ("CONSUMER.DURABLE.CREATE.EVENTS.sender-guide", {"provision"}),
        ("CONSUMER.RESET.EVENTS.sender-guide", set()),
        ("CONSUMER.DELETE.EVENTS.sender-guide", set()),
        ("CONSUMER.DELETE.EVENTS.analytics-v1", EVERYTHING),
        ("STREAM.CREATE.EVENTS", {"provision"}),
        ("STREAM.UPDATE.EVENTS", {"provision"}),
        ("STREAM.MSG.DELETE.EVENTS", {"forget"}),
        ("STREAM.SNAPSHOT.EVENTS", {"backup"}),
        ("STREAM.SNAPSHOT.KV_sender_spending", {"backup"}),
        ("STREAM.SNAPSHOT.KV_clicks_stripe", {"backup"}),
        ("STREAM.SNAPSHOT.KV_clicks_stars", {"backup"}),
        ("STREAM.SNAPSHOT.KV_sender_lease", set()),
        ("STREAM.SNAPSHOT.KV_clicks_lease", set()),
    ],
)
async def test_a_question_is_open_to_those_who_need_it(
    question: str, users: set[str], log: SecuredNats
) -> None:
    assert await allowed(log, f"$JS.API.{question}") == users


async def test_nobody_but_an_administrator_deletes_or_empties_anything(log: SecuredNats) -> None:
    for user in BOUNDED:
        async with log.as_user(user) as asking:
            let_through = [
                verb for verb in OF_ADMINISTRATORS if await asking.may_publish(f"$JS.API.{verb}")
            ]

            assert let_through == [], user


async def test_a_bucket_is_its_services_alone(log: SecuredNats) -> None:
    for bucket in BUCKETS:
        owner = bucket.name.partition("_")[0]
        assert await allowed(log, f"$KV.{bucket.name}.key") == {owner}
        assert await allowed(log, f"$JS.API.STREAM.MSG.GET.KV_{bucket.name}") == {owner}
        assert await allowed(log, f"$JS.API.CONSUMER.CREATE.KV_{bucket.name}.x") == set()


async def test_the_senders_consumers_are_acknowledged_by_the_sender_alone(log: SecuredNats) -> None:
    for consumer in CONSUMERS:
        assert await allowed(log, f"$JS.ACK.EVENTS.{consumer.durable}.1.1.1.1.0") == {"sender"}


async def test_the_pieces_of_a_snapshot_are_acknowledged_by_who_takes_it(log: SecuredNats) -> None:
    assert await allowed(log, "$JS.SNAPSHOT.ACK.EVENTS.x") == {"backup"}


async def test_nobody_hears_what_is_not_sent_to_them(log: SecuredNats) -> None:
    for user in BOUNDED:
        own = {"forget": "analytics"}.get(user, user)
        overheard = (">", "cta.>", "$JS.>", "$KV.>", "_INBOX.>", "$SYS.>")
        others = tuple(
            f"_INBOX_{other}.>" for other in (*SERVICES, "provision", "backup") if other != own
        )
        async with log.as_user(user) as asking:
            assert await asking.may_hear(f"_INBOX_{own}.x")
            heard = [subject for subject in (*overheard, *others) if await asking.may_hear(subject)]

        assert heard == [], user


async def test_an_administrator_may(log: SecuredNats) -> None:
    async with log.as_user("admin") as asking:
        assert await asking.may_publish("$JS.API.STREAM.PURGE.EVENTS", b'{"filter": "none"}')
        assert await asking.may_hear("cta.>")


async def test_who_takes_snapshots_can_empty_the_log_as_the_readme_warns(tmp_path: Path) -> None:
    """NATS sends the pieces, of which the last is empty, wherever it is told."""
    aim = {"deliver_subject": "$JS.API.STREAM.PURGE.EVENTS", "chunk_size": 1024}
    async with secured_nats(tmp_path) as log, log.as_user("admin") as admin:
        everything = admin.client.jetstream()
        await everything.publish("conversion.recorded.7.shop.1", b"{}")
        async with log.as_user("backup") as backup:
            subject = "$JS.API.STREAM.SNAPSHOT.EVENTS"
            await backup.client.request(subject, json.dumps(aim).encode(), timeout=30)
            left = await until(lambda: messages_of(everything), lambda left: left == 0, seconds=30)

    assert left == 0


async def messages_of(js: JetStreamContext) -> int:
    return (await js.stream_info("EVENTS")).state.messages


async def test_nobody_comes_in_without_a_password(log: SecuredNats) -> None:
    address = urlsplit(log.url("sender"))
    for said in ({}, {"user": "sender"}, {"user": "sender", "pass": "guess"}):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        await reader.readline()
        writer.write(f"CONNECT {json.dumps({'verbose': False, **said})}\r\nPING\r\n".encode())

        assert b"Authorization Violation" in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_what_a_consumer_pushes_does_not_act_in_the_name_of_the_server(
    log: SecuredNats,
) -> None:
    """Whoever makes a consumer says where it pushes to: also the address that empties the log."""
    lease = "$KV.sender_lease.forged"  # no test has it: others come and end meanwhile
    addresses = ("$JS.API.STREAM.PURGE.EVENTS", lease)
    async with log.as_user("admin") as admin, log.as_user("clicks") as clicks:
        everything = admin.client.jetstream()
        await clicks.client.jetstream().publish("conversion.recorded.7.shop.1", b"{}")
        before = (await everything.stream_info("EVENTS")).state.messages
        for number, address in enumerate(addresses):
            config = ConsumerConfig(
                name=f"push-{number}",
                deliver_subject=address,
                filter_subject="conversion.recorded.>",
                ack_policy=AckPolicy.NONE,
            )
            await clicks.client.jetstream().add_consumer("EVENTS", config)
        await asyncio.sleep(1)
        pushed = [
            (await everything.consumer_info("EVENTS", f"push-{number}")).delivered
            for number, _ in enumerate(addresses)
        ]
        after = (await everything.stream_info("EVENTS")).state.messages
        info = await everything.stream_info("KV_sender_lease", subjects_filter=lease)

    assert [sequence.consumer_seq for sequence in pushed if sequence] == [0, 0]
    assert (after, info.state.subjects) == (before, None)
