"""Publishing and reading against a real nats-server."""

import asyncio
from typing import Any

import nats.errors
import pytest

from chassis.log import LogUnavailableError, handling
from contracts.events import CtaClicked, GuideDue, MessageSent, MessageUncertain, SlotMissed
from contracts.examples import GUIDE_DELIVERY, example
from contracts.subjects import due_of, slot_of
from harness.logs import Log, open_log
from stack.nats_server import NatsServer


async def test_an_event_is_said_once_however_often_it_is_repeated(log: Log) -> None:
    due = example(GuideDue)

    answers = [await log.publisher.publish_once(due) for _ in range(3)]

    assert answers == [True, False, False]
    assert await log.events(GuideDue) == [due]


async def test_a_slot_is_due_or_missed_but_never_both(log: Log) -> None:
    scope = slot_of(GUIDE_DELIVERY)

    assert await log.publisher.publish_once(example(GuideDue), over=scope)
    assert not await log.publisher.publish_once(example(SlotMissed), over=scope)


async def test_an_event_with_the_same_id_is_kept_once(log: Log) -> None:
    await log.say(example(CtaClicked), example(CtaClicked))

    assert len(await log.events(CtaClicked)) == 1


async def test_what_is_published_while_handling_follows_the_handled_event(log: Log) -> None:
    await log.say(example(GuideDue))
    entry = await log.reader.last(due_of(GUIDE_DELIVERY))
    assert entry

    with handling(entry.envelope):
        await log.say(example(MessageSent, delivery=GUIDE_DELIVERY))

    sent = (await log.envelopes())[-1]
    assert sent.correlationid == entry.envelope.correlationid
    assert sent.causationid == entry.envelope.id


async def test_last_of_a_subject_that_nobody_used_is_none(log: Log) -> None:
    assert await log.reader.last(due_of(GUIDE_DELIVERY)) is None


async def test_a_foreign_message_does_not_stop_a_reader(log: Log) -> None:
    await log.js.publish("cta.clicked.1", b"not an event")
    await log.say(example(GuideDue))

    assert [envelope.data for envelope in await log.envelopes()] == [example(GuideDue)]


async def test_follow_yields_old_and_new_events_in_order(log: Log) -> None:
    dues = [example(GuideDue, delivery=f"{number:026d}") for number in range(1_200)]
    await asyncio.gather(*(log.publisher.publish_once(due) for due in dues[:1_100]))
    await asyncio.gather(*(log.publisher.publish_once(due) for due in dues[1_100:]))

    sequences = []
    async for entry in log.reader.follow("guide.due.*"):
        sequences.append(entry.sequence)
        if len(sequences) == len(dues):
            break

    assert sequences == list(range(1, 1_201))


async def test_a_replay_ends_although_what_it_waited_for_was_purged(log: Log) -> None:
    # Far more than the server hands over before the reader has taken any of it.
    long = [example(MessageUncertain, description="x" * 500_000, attempt=n + 1) for n in range(40)]
    for event in long:
        await log.say(event)

    read = 0
    async for _ in log.reader.follow("message.>", stop_at_end=True):
        if read == 0:
            await log.js.purge_stream("EVENTS")
        read += 1

    assert 0 < read < len(long)


async def test_an_event_that_the_server_cannot_take_is_an_error_and_no_endless_repeat(
    log: Log,
) -> None:
    long = example(MessageUncertain, description="x" * 2_000_000)

    with pytest.raises(nats.errors.MaxPayloadError):
        await log.publisher.publish(long)


@pytest.mark.parametrize("arrived", [True, False], ids=["its answer was lost", "it was lost"])
async def test_what_was_not_acknowledged_is_said_again_and_stands_once(
    log: Log, monkeypatch: pytest.MonkeyPatch, *, arrived: bool
) -> None:
    publish, attempts = log.js.publish, []

    async def unanswered(*args: Any, **options: Any) -> Any:
        attempts.append(args)
        if arrived or len(attempts) == 3:
            answer = await publish(*args, **options)
        if len(attempts) < 3:
            raise nats.errors.TimeoutError
        return answer

    monkeypatch.setattr(log.js, "publish", unanswered)
    await log.say(example(CtaClicked))

    assert len(attempts) == 3
    assert await log.events(CtaClicked) == [example(CtaClicked)]


async def test_publishing_and_reading_survive_a_killed_server(own_nats: NatsServer) -> None:
    server = own_nats
    async with open_log(server.url) as log:
        seen = []

        async def read() -> None:
            async for entry in log.reader.follow("cta.clicked.*"):
                seen.append(entry.envelope.data.source_id)

        reading = asyncio.create_task(read())
        await log.say(example(CtaClicked, source_id="before"))

        await server.process.kill()
        publishing = asyncio.create_task(log.say(example(CtaClicked, source_id="during")))
        with pytest.raises(LogUnavailableError):
            await log.publisher.publish(example(CtaClicked, source_id="impatient"), patience=0.3)
        await server.start()
        await asyncio.wait_for(publishing, 60)
        await log.say(example(CtaClicked, source_id="after"))

        async with asyncio.timeout(60):
            while "after" not in seen:
                await asyncio.sleep(0.05)
        reading.cancel()

    assert [name for name in seen if name != "impatient"] == ["before", "during", "after"]
