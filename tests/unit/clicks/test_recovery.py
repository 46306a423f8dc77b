"""How a list of transactions is read: from the right place on, and no row twice."""

from datetime import UTC, datetime, timedelta

import pytest

from clicks.domain.stars import Place, mark_of
from clicks.recovery import Listing
from clicks.telegram import TelegramError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeTelegram:
    """Lists one transaction for each of `ages` (days), oldest first; counts the calls."""

    def __init__(self, *ages):
        dates = [int((NOW - timedelta(days=age)).timestamp()) for age in ages]
        self.rows = [{"id": f"stx-{n}", "date": date} for n, date in enumerate(dates)]
        self.calls = 0

    async def call(self, method, parameters):
        assert method == "getStarTransactions"
        assert 1 <= parameters["limit"] <= 100
        self.calls += 1
        first = parameters["offset"]
        return {"transactions": self.rows[first : first + parameters["limit"]]}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 100, 1_000])
@pytest.mark.parametrize("share", [0, 0.3, 0.5, 0.99, 1])
async def test_the_first_row_in_reach_is_found_in_few_calls(count, share):
    old = int(count * share)
    telegram = FakeTelegram(*[40] * old, *[1] * (count - old))

    place = await Listing(telegram).place_at(NOW - timedelta(days=30))

    assert place == (Place(old, mark_of(telegram.rows[old - 1])) if old else Place())
    assert telegram.calls <= 25


async def test_pages_follow_each_other_without_a_gap():
    telegram = FakeTelegram(*[1] * 350)
    listing, place, seen = Listing(telegram), Place(), []
    while rows := await listing.after(place):
        seen += rows
        place = Place(place.read + len(rows), mark_of(rows[-1]))

    assert seen == telegram.rows


async def test_where_nothing_is_new_one_call_says_so():
    telegram = FakeTelegram(2, 1)

    assert await Listing(telegram).after(Place(2, mark_of(telegram.rows[1]))) == []
    assert telegram.calls == 1


@pytest.mark.parametrize("place", [Place(3, "x"), Place(2, "stx-9 5"), Place(1, "")])
async def test_a_list_that_is_another_one_is_noticed(place):
    assert await Listing(FakeTelegram(2, 1)).after(place) is None


async def test_an_answer_that_lists_nothing_is_an_error():
    class Odd:
        async def call(self, method, parameters):
            return True

    with pytest.raises(TelegramError):
        await Listing(Odd()).after(Place())
