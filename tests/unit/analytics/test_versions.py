"""Which version a replica works on, and that a change of the tables is told by its number."""

from typing import Any

import pytest

from analytics import schema
from analytics.domain.fold import FOLDED, IGNORED
from analytics.domain.versions import Begin, Build, Follow, Task, Version, Wait, task
from contracts.events import EVENTS
from contracts.examples import SLOT

PINNED = {
    2: "fold 2, tables c088255696fedf7b",
    3: "fold 3, tables 1e08a66962e99ec0",
}
"""What each number stands for. Never change an entry: raise `schema.FOLD`, and add one."""


def version(number: int, **fields: Any) -> Version:
    known = {"fold": 2, "ours": True, "live": False, "built": True, "checkpoint": 9, **fields}
    return Version(number=number, **known)


def test_a_changed_table_has_another_number() -> None:
    assert PINNED[schema.FOLD] == schema.DEFINITION


def test_every_event_is_folded_or_ignored_knowingly() -> None:
    assert set(EVENTS) - FOLDED - IGNORED == set(), "decide, and say so in analytics.domain.fold"
    assert set() == FOLDED & IGNORED
    assert set(EVENTS) >= FOLDED | IGNORED


@pytest.mark.parametrize(
    ("versions", "then"),
    [
        ([], Begin(1)),
        ([version(1, live=True)], Follow(1)),
        ([version(1, live=True), version(2, built=False)], Follow(1)),
        ([version(1, live=True, ours=False, fold=1)], Build(2, new=True)),
        (
            [version(1, live=True, ours=False, fold=1), version(2, built=False)],
            Build(2, new=False),
        ),
        ([version(1, live=True, ours=False, fold=1), version(2)], Build(2, new=False)),
        (
            [version(1, live=True, ours=False, fold=2), version(2, replaced_at=SLOT)],
            Build(3, new=True),
        ),
        ([version(1), version(2, live=True, ours=False, fold=3)], Wait(2)),
        ([version(1, replaced_at=SLOT), version(2, live=True)], Follow(2)),
        ([version(3, built=False)], Build(3, new=False)),
        ([version(3, ours=False)], Begin(4)),
    ],
    ids=[
        "nothing is there",
        "the live one is ours",
        "a rebuild by a command is its own business",
        "an older release's is live",
        "and ours is half built",
        "and ours is complete",
        "what was replaced is not taken up again",
        "a newer release's is live",
        "an old one is kept",
        "the first one is half built",
        "the first one is half built by another release",
    ],
)
def test_given_the_versions_a_replica_knows_its_task(versions: list[Version], then: Task) -> None:
    assert task(versions, fold=2) == then
