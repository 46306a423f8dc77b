"""What watches a run goes on, whatever the servers answer."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nats.js.errors import ServiceUnavailableError

from chaos import observer
from chaos.history import History
from chaos.observer import Observer


class _Nats:
    def jetstream(self, **_: object) -> None:
        """Nobody asks it anything here."""


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Observer]:
    history = History(tmp_path / "history.jsonl")
    yield Observer(cast("Any", _Nats()), "", history)
    history.close()


async def test_the_log_is_read_anew_where_the_cluster_is_still_finding_itself(
    watcher: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [{"seq": 1}]
    answers: list[Any] = [ServiceUnavailableError(), TimeoutError(), found]

    async def messages(_: object) -> list[dict[str, Any]]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("list[dict[str, Any]]", answer)

    monkeypatch.setattr(observer, "messages", messages)

    assert await watcher.messages() == found
    assert answers == []


class _Lagging:
    """A log of two messages, and a consumer led by a server that hears late of the second."""

    def __init__(self) -> None:
        self.left = [1, 2]

    async def stream_info(self, _: str) -> object:
        return SimpleNamespace(state=SimpleNamespace(last_seq=2))

    async def add_consumer(self, *_: object) -> object:
        return SimpleNamespace(name="x", num_pending=1)

    async def delete_consumer(self, *_: object) -> None:
        """Nothing is left of it."""

    async def pull_subscribe_bind(self, **_: object) -> "_Lagging":
        return self

    async def fetch(self, *_: object, **__: object) -> list[object]:
        place = SimpleNamespace(stream=self.left.pop(0))
        meta = SimpleNamespace(sequence=place, timestamp=datetime.now(UTC), num_pending=0)
        return [SimpleNamespace(metadata=meta, subject="x", headers=None, data=b"{}")]


async def test_the_log_is_read_to_its_end_where_a_consumer_does_not_know_it_yet() -> None:
    found = await observer.messages(cast("Any", _Lagging()))

    assert [message["seq"] for message in found] == [1, 2]


async def test_samples_go_on_after_one_that_failed_and_one_that_hung(
    watcher: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "_SAMPLE_SECONDS", 0.01)
    monkeypatch.setattr(observer, "_LONGEST_LOOK", 0.05)
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise AttributeError("an answer that nobody expected")
        if looks == 2:
            await asyncio.Event().wait()

    monkeypatch.setattr(watcher, "_look", look)
    watching = asyncio.create_task(watcher.watch())
    async with asyncio.timeout(10):
        while looks < 5:
            await asyncio.sleep(0.01)

    assert not watching.done()
    watching.cancel()
