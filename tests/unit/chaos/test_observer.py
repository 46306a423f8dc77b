"""What watches a run goes on, whatever the servers answer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
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
