"""The stream and its consumers: created, brought up to date, and never changed to lose events."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from chassis.console import RefusedError
from chassis.provision import provision
from chassis.settings import ServiceSettings
from chassis.topology import (
    DestructiveChangeError,
    Moved,
    NotProvisionedError,
    ensure_bucket,
    ensure_consumer,
    ensure_stream,
    note_moved,
)
from contracts.streams import (
    BUCKETS,
    CONSUMERS,
    EVENTS,
    SENDER_GUIDE,
    SENDER_LEASE,
    analytics_consumer,
)
from harness.servers import connected


@pytest_asyncio.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    async with connected(nats_url) as client:
        yield client.jetstream()


async def stream_made_by_hand(js: JetStreamContext, **different: Any) -> None:
    fields = {"name": EVENTS.name, "subjects": list(EVENTS.subjects), **different}
    await js.add_stream(StreamConfig(**fields))


async def test_the_stream_is_created_on_file_without_limits(js: JetStreamContext) -> None:
    await ensure_stream(js, EVENTS, replicas=1)

    config = (await js.stream_info(EVENTS.name)).config
    assert sorted(config.subjects or ()) == sorted(EVENTS.subjects)
    assert (config.storage, config.retention) == (StorageType.FILE, RetentionPolicy.LIMITS)
    assert (config.max_age, config.max_bytes, config.max_msgs) == (0, -1, -1)
    assert config.duplicate_window == EVENTS.duplicate_window.total_seconds()
    assert config.allow_direct


async def test_creating_again_changes_nothing(js: JetStreamContext) -> None:
    await ensure_stream(js, EVENTS, replicas=1)
    await ensure_consumer(js, EVENTS, SENDER_GUIDE)
    before = await js.stream_info(EVENTS.name), await js.consumer_info(EVENTS.name, "sender-guide")

    await ensure_stream(js, EVENTS, replicas=1)
    await ensure_consumer(js, EVENTS, SENDER_GUIDE)

    after = await js.stream_info(EVENTS.name), await js.consumer_info(EVENTS.name, "sender-guide")
    assert (before[0].config, before[0].created) == (after[0].config, after[0].created)
    assert (before[1].config, before[1].created) == (after[1].config, after[1].created)


async def test_a_harmless_difference_is_brought_up_to_date(js: JetStreamContext) -> None:
    await stream_made_by_hand(js, subjects=list(EVENTS.subjects[:-1]), duplicate_window=120)
    await js.publish("guide.due.kept", b"an event")

    await ensure_stream(js, EVENTS, replicas=1)

    info = await js.stream_info(EVENTS.name)
    assert sorted(info.config.subjects or ()) == sorted(EVENTS.subjects)
    assert info.config.duplicate_window == 3600
    assert info.config.allow_direct
    assert info.state.messages == 1


@pytest.mark.parametrize(
    ("different", "problem", "remedy"),
    [
        ({"max_age": 3600}, "has max_age=3600", "remove the limit .nats stream edit EVENTS"),
        ({"max_msgs": 1000}, "has max_msgs=1000", "remove the limit"),
        ({"max_bytes": 10**6}, "has max_bytes=1000000", "remove the limit"),
        ({"max_msgs_per_subject": 1}, "has max_msgs_per_subject=1", "remove the limit"),
        ({"storage": StorageType.MEMORY}, "limits on memory", "move its events to a stream"),
        (
            {"retention": RetentionPolicy.WORK_QUEUE},
            "workqueue on file",
            "move its events to a stream with limits retention",
        ),
        (
            {"subjects": [*EVENTS.subjects, "poll.answered.>"]},
            "does not know: poll.answered.>",
            "upgrade this service",
        ),
    ],
)
async def test_a_stream_that_could_lose_events_is_refused_with_a_remedy(
    different: dict[str, Any], problem: str, remedy: str, js: JetStreamContext
) -> None:
    await stream_made_by_hand(js, **different)
    before = (await js.stream_info(EVENTS.name)).config

    with pytest.raises(DestructiveChangeError, match=problem) as caught:
        await ensure_stream(js, EVENTS, replicas=1)

    caught.match(remedy)
    assert (await js.stream_info(EVENTS.name)).config == before


async def test_fewer_replicas_than_there_are_is_refused_with_a_remedy() -> None:
    """A cluster is not needed to see it: the answer of one is."""

    class Cluster:
        async def stream_info(self, _: str, *, subjects_filter: str | None) -> Any:
            config = StreamConfig(
                name=EVENTS.name,
                subjects=list(EVENTS.subjects),
                storage=StorageType.FILE,
                retention=RetentionPolicy.LIMITS,
                num_replicas=3,
            )
            return type("Info", (), {"config": config, "cluster": None})()

    cluster: Any = Cluster()

    with pytest.raises(DestructiveChangeError, match="set FINGERPOST_LOG_REPLICAS=3"):
        await ensure_stream(cluster, EVENTS, replicas=1)


async def test_a_consumer_is_created_as_the_contracts_say(js: JetStreamContext) -> None:
    await ensure_stream(js, EVENTS, replicas=1)
    await ensure_consumer(js, EVENTS, SENDER_GUIDE)
    await ensure_consumer(js, EVENTS, analytics_consumer(3))

    sender = (await js.consumer_info(EVENTS.name, "sender-guide")).config
    analytics = (await js.consumer_info(EVENTS.name, "analytics-v3")).config
    assert (sender.filter_subject, sender.ack_policy) == ("guide.due.*", AckPolicy.EXPLICIT)
    assert (sender.ack_wait, sender.max_deliver) == (SENDER_GUIDE.ack_wait.total_seconds(), -1)
    assert (analytics.filter_subject, analytics.ack_policy) == (None, AckPolicy.ALL)


async def test_a_consumer_is_brought_up_to_date_and_keeps_its_place(js: JetStreamContext) -> None:
    await ensure_stream(js, EVENTS, replicas=1)
    await js.add_consumer(
        EVENTS.name,
        ConsumerConfig(
            durable_name="sender-guide",
            ack_policy=AckPolicy.EXPLICIT,
            filter_subject="guide.due.*",
            ack_wait=5,
            max_deliver=3,
        ),
    )
    await js.publish("guide.due.first", b"1")
    await js.publish("guide.due.second", b"2")
    subscription = await js.pull_subscribe_bind("sender-guide", EVENTS.name)
    [first] = await subscription.fetch(1, timeout=20)
    await first.ack_sync(timeout=20)

    await ensure_consumer(js, EVENTS, SENDER_GUIDE)

    info = await js.consumer_info(EVENTS.name, "sender-guide")
    assert info.config.ack_wait == SENDER_GUIDE.ack_wait.total_seconds()
    assert info.config.max_deliver == -1
    assert info.num_pending == 1


async def test_a_consumer_gets_new_subjects(js: JetStreamContext) -> None:
    await ensure_stream(js, EVENTS, replicas=1)
    await ensure_consumer(js, EVENTS, SENDER_GUIDE)

    both = replace(SENDER_GUIDE, subjects=("guide.due.*", "promo.due.*"))
    await ensure_consumer(js, EVENTS, both)

    config = (await js.consumer_info(EVENTS.name, "sender-guide")).config
    assert config.filter_subjects == ["guide.due.*", "promo.due.*"]


async def test_a_consumer_that_began_behind_what_was_moved_out_can_be_changed(
    js: JetStreamContext,
) -> None:
    await ensure_stream(js, EVENTS, replicas=1)
    await js.publish("guide.due.first", b"1")
    await note_moved(js, EVENTS, Moved("archive", 1))
    await ensure_consumer(js, EVENTS, SENDER_GUIDE)

    patient = replace(SENDER_GUIDE, ack_wait=SENDER_GUIDE.ack_wait * 2)
    await ensure_consumer(js, EVENTS, patient)

    info = await js.consumer_info(EVENTS.name, "sender-guide")
    assert info.config.ack_wait == patient.ack_wait.total_seconds()
    assert info.num_pending == 0


@pytest.mark.parametrize(
    ("different", "problem"),
    [
        ({"ack_policy": AckPolicy.NONE}, "has ack_policy 'none', not 'explicit'"),
        ({"deliver_policy": "new"}, "has deliver_policy 'new', not 'all'"),
    ],
)
async def test_a_consumer_that_would_skip_events_is_refused_with_a_remedy(
    different: dict[str, Any], problem: str, js: JetStreamContext
) -> None:
    await ensure_stream(js, EVENTS, replicas=1)
    fields = {"durable_name": "sender-guide", "ack_policy": AckPolicy.EXPLICIT, **different}
    await js.add_consumer(EVENTS.name, ConsumerConfig(**fields))

    with pytest.raises(DestructiveChangeError, match=problem) as caught:
        await ensure_consumer(js, EVENTS, SENDER_GUIDE)

    caught.match("give the consumer a new name")


async def test_a_consumer_without_its_stream_is_an_error(js: JetStreamContext) -> None:
    with pytest.raises(NotFoundError):
        await ensure_consumer(js, EVENTS, SENDER_GUIDE)


async def test_the_duplicate_window_is_an_hour() -> None:
    assert EVENTS.duplicate_window == timedelta(hours=1)


async def test_who_may_change_nothing_is_told_what_lacks(js: JetStreamContext) -> None:
    with pytest.raises(NotProvisionedError, match="stream EVENTS is missing: run"):
        await ensure_stream(js, EVENTS, replicas=1, provision=False)
    await stream_made_by_hand(js, subjects=list(EVENTS.subjects[:-1]))
    with pytest.raises(NotProvisionedError, match=r"differs in allow_direct, .*subjects"):
        await ensure_stream(js, EVENTS, replicas=1, provision=False)
    with pytest.raises(NotProvisionedError, match="consumer sender-guide is missing"):
        await ensure_consumer(js, EVENTS, SENDER_GUIDE, provision=False)
    with pytest.raises(NotProvisionedError, match="bucket sender_lease is missing"):
        await ensure_bucket(js, SENDER_LEASE, replicas=1, provision=False)

    assert (await js.stream_info(EVENTS.name)).config.subjects == list(EVENTS.subjects[:-1])


async def test_the_command_makes_all_that_services_need_and_may_be_repeated(
    js: JetStreamContext, nats_url: str
) -> None:
    for _ in range(2):
        await provision(ServiceSettings(NATS_URL=nats_url))

    await ensure_stream(js, EVENTS, replicas=1, provision=False)
    for consumer in CONSUMERS:
        await ensure_consumer(js, EVENTS, consumer, provision=False)
    for bucket in BUCKETS:
        await ensure_bucket(js, bucket, replicas=1, provision=False)


async def test_the_command_says_what_it_does_not_change(
    js: JetStreamContext, nats_url: str
) -> None:
    await stream_made_by_hand(js, max_age=3600)

    with pytest.raises(RefusedError, match="has max_age=3600"):
        await provision(ServiceSettings(NATS_URL=nats_url))
