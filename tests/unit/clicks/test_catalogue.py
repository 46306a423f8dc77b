"""What a delivery is, as it is asked for by many at once."""

import asyncio
import gc
import tracemalloc
from datetime import timedelta

from chassis.log import LogUnavailableError
from clicks.catalogue import Catalogue
from contracts.envelope import Envelope
from contracts.events import MessageClaimed, PromoDue
from contracts.examples import BOT, PROMO_DELIVERY, SLOT, example


class Entry:
    def __init__(self, envelope):
        self.envelope = envelope


class SlowReader:
    """Answers when it is let; counts how often it was asked for a due event."""

    def __init__(self):
        self.asked = 0
        self.free = asyncio.Event()
        self.away = False
        due = example(PromoDue)
        self._due = Envelope.of(due, source="/scheduler", now=due.scheduled_for, cause=None)

    async def last(self, subject):
        self.asked += ".due." in subject
        await self.free.wait()
        if self.away:
            raise TimeoutError
        return Entry(self._due) if ".due." in subject else None


async def many(catalogue, count=2_000):
    tasks = [asyncio.create_task(catalogue.posted(PROMO_DELIVERY)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_a_burst_for_a_fresh_delivery_is_one_look_up():
    reader = SlowReader()
    catalogue = Catalogue(reader, patience=5, remembered=10)

    tasks = await many(catalogue)
    reader.free.set()
    found = await asyncio.gather(*tasks)
    await catalogue.posted(PROMO_DELIVERY)

    assert (reader.asked, len({id(posted) for posted in found})) == (1, 1)


async def test_one_who_goes_away_takes_nothing_from_the_others():
    reader = SlowReader()
    catalogue = Catalogue(reader, patience=5, remembered=10)

    first, *others = await many(catalogue, 3)
    first.cancel()
    reader.free.set()

    assert all(posted.due for posted in await asyncio.gather(*others))
    assert reader.asked == 1


async def test_a_look_up_that_failed_is_tried_again_by_the_next():
    reader = SlowReader()
    catalogue = Catalogue(reader, patience=5, remembered=10)
    reader.away = True
    reader.free.set()

    failed = await asyncio.gather(*await many(catalogue, 3), return_exceptions=True)
    reader.away = False

    assert {type(error) for error in failed} == {LogUnavailableError}
    assert await catalogue.posted(PROMO_DELIVERY)


async def test_deliveries_that_show_the_same_variant_keep_it_once():
    """An hour's soak showed 9 kB a delivery that is remembered, most of it the variant."""
    reader = SlowReader()
    reader.free.set()
    catalogue = Catalogue(reader, patience=5, remembered=10)

    await catalogue.posted(PROMO_DELIVERY)
    reader._due = Envelope.parse(reader._due.document())  # the same, read anew
    await catalogue.posted("another")
    first, second = [await catalogue.posted(name) for name in (PROMO_DELIVERY, "another")]

    assert second.due.data.variant is first.due.data.variant
    assert second.due == first.due


def name(number):
    return f"{number:026}"


def document(number):
    """A campaign's delivery `number`: one a second, in 200 channels by turns."""
    at = SLOT + timedelta(seconds=number)
    own = {
        "delivery": name(number),
        "channel": str(-1_001_000_000_000 - number % 200),
        "scheduled_for": at,
        "expires_at": at + timedelta(hours=2),
        "ordinal": number,
    }
    due = example(PromoDue).model_copy(update=own)
    return Envelope.of(due, source="/scheduler", now=at, cause=None).document()


class Campaign:
    """A log that has so many deliveries of a campaign, posted by three bots by turns."""

    def __init__(self, deliveries):
        self._documents = [document(number) for number in range(deliveries)]
        claims = [example(MessageClaimed, bot_id=BOT + number) for number in range(3)]
        self._claims = [Envelope.of(c, source="/sender", now=SLOT, cause=None) for c in claims]

    async def last(self, subject):
        number = int(subject.split(".")[2])
        if ".due." in subject:
            return Entry(Envelope.parse(self._documents[number]))
        return Entry(self._claims[number % 3])


async def test_of_deliveries_that_are_alike_each_is_remembered_as_the_log_has_it():
    catalogue = Catalogue(Campaign(10), patience=5, remembered=10)
    for number in range(10):
        await catalogue.posted(name(number))

    for number in range(10):
        posted = await catalogue.posted(name(number))
        assert posted.due.document() == document(number)
        assert posted.bot_id == BOT + number % 3


async def test_a_delivery_takes_less_than_a_kilobyte_and_no_more_are_kept_than_may_be():
    """Another soak showed 4 kB a delivery: every event had its names and its values anew."""
    catalogue = Catalogue(Campaign(3_000), patience=5, remembered=1_000)
    taken = []
    tracemalloc.start()
    try:
        for thousand in range(3):
            for number in range(thousand * 1_000, (thousand + 1) * 1_000):
                await catalogue.posted(name(number))
            gc.collect()
            taken.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    first, second, third = taken
    assert first < 850_000
    assert third - second < 50_000
