"""What a delivery is, as it is asked for by many at once."""

import asyncio

from chassis.log import LogUnavailableError
from clicks.catalogue import Catalogue
from contracts.envelope import Envelope
from contracts.events import PromoDue
from contracts.examples import PROMO_DELIVERY, example


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
    catalogue = Catalogue(reader, patience=5)

    tasks = await many(catalogue)
    reader.free.set()
    found = await asyncio.gather(*tasks)
    await catalogue.posted(PROMO_DELIVERY)

    assert (reader.asked, len({id(posted) for posted in found})) == (1, 1)


async def test_one_who_goes_away_takes_nothing_from_the_others():
    reader = SlowReader()
    catalogue = Catalogue(reader, patience=5)

    first, *others = await many(catalogue, 3)
    first.cancel()
    reader.free.set()

    assert all(posted.due for posted in await asyncio.gather(*others))
    assert reader.asked == 1


async def test_a_look_up_that_failed_is_tried_again_by_the_next():
    reader = SlowReader()
    catalogue = Catalogue(reader, patience=5)
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
    catalogue = Catalogue(reader, patience=5)

    first = await catalogue.posted(PROMO_DELIVERY)
    reader._due = Envelope.parse(reader._due.document())  # the same, read anew
    second = await catalogue.posted("another")

    assert second.due.data.variant is first.due.data.variant
    assert second.due == first.due
