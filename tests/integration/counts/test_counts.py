"""What a unit of work may cost in messages, transactions and calls, at real servers.

The same counts stand in the table of `make bench`: there they are told, here they are held.
"""

import pytest

from bench.counting import PARTS


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", PARTS)
async def test_a_unit_of_work_costs_no_more_than_it_must(part: str) -> None:
    counted = await PARTS[part]()

    assert [count for count in counted if not count.kept] == []
