import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from chaos.front import MARKER, ROUTE, WEBHOOK, Front
from chaos.history import History

TAP = {"update_id": 1, "callback_query": {"id": "q1"}}


class Replicas:
    """Two clicks replicas that say yes to all, and remember what they were asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.headers: dict[str, str] = {}
        self.runners: list[web.AppRunner] = []

    async def start(self, name: str) -> str:
        async def answer(request: web.Request) -> web.Response:
            self.asked[name] += 1
            self.headers = dict(request.headers)
            if request.path.startswith("/r/"):
                return web.Response(
                    status=302, headers={"Location": "https://x.example?fp_click=c"}
                )
            return web.json_response({"method": "answerCallbackQuery"})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"


class Scene:
    """A front before two replicas, and what it wrote down."""

    def __init__(self, front: Front, replicas: Replicas, path: Path) -> None:
        self.front, self.replicas, self._path = front, replicas, path

    def records(self, what: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [line for line in lines if line["what"] == what]


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    path = tmp_path / "history.jsonl"
    history, replicas = History(path), Replicas()
    front = Front(history)
    await front.start()
    front.replicas = [(name, await replicas.start(name)) for name in ("clicks-0", "clicks-1")]
    yield Scene(front, replicas, path)
    await front.stop()
    for runner in replicas.runners:
        await runner.cleanup()
    history.close()


async def post(scene: Scene, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.post(f"{scene.front.url}{WEBHOOK}", json=TAP, headers=headers)


async def test_each_request_is_noted_with_its_answer_and_goes_to_another_replica(
    scene: Scene,
) -> None:
    answers = [await post(scene), await post(scene)]

    assert [answer.json() for answer in answers] == [{"method": "answerCallbackQuery"}] * 2
    assert scene.replicas.asked == {"clicks-0": 1, "clicks-1": 1}
    asked, answered = scene.records("request"), scene.records("answer")
    assert [(r["route"], r["expects"], r["payload"]) for r in asked] == [
        ("tap", "recorded", TAP)
    ] * 2
    assert [(r["id"], r["status"], r["told"]) for r in answered] == [
        (asked[0]["id"], 200, True),
        (asked[1]["id"], 200, True),
    ]


async def test_a_replica_that_takes_no_connection_is_passed_over(scene: Scene) -> None:
    await scene.replicas.runners[0].cleanup()

    statuses = [(await post(scene)).status_code for _ in range(2)]

    assert statuses == [200, 200]
    assert scene.replicas.asked == {"clicks-1": 2}
    assert [answer["status"] for answer in scene.records("answer")].count(None) == 1


async def test_an_answer_that_is_kept_back_is_noted_as_untold(scene: Scene) -> None:
    scene.front.untold = 1

    with pytest.raises(httpx.RemoteProtocolError):
        await post(scene)
    again = await post(scene)

    assert again.status_code == 200
    assert [(a["status"], a["told"]) for a in scene.records("answer")] == [
        (200, False),
        (200, True),
    ]


async def test_an_update_goes_to_both_replicas_when_it_is_to_come_twice(scene: Scene) -> None:
    scene.front.twice = 1

    assert (await post(scene)).status_code == 200
    assert scene.replicas.asked == {"clicks-0": 1, "clicks-1": 1}
    assert len(scene.records("request")) == 2


async def test_what_strangers_send_is_marked_for_the_checker_and_not_for_clicks(
    scene: Scene,
) -> None:
    await post(scene, **{ROUTE: "forged", MARKER: "m-1"})

    (asked,) = scene.records("request")
    assert (asked["route"], asked["expects"], asked["marker"]) == ("forged", "nothing", "m-1")
    assert ROUTE not in scene.replicas.headers


async def test_a_link_is_followed_with_the_click_that_it_leads_on_with(scene: Scene) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{scene.front.url}/r/token")

    assert (answer.status_code, answer.headers["location"]) == (302, "https://x.example?fp_click=c")
    assert scene.records("answer")[0]["click_id"] == "c"
