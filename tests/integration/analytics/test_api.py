"""The tables as JSON: what a program gets, page by page, and what it cannot do."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.applications import Starlette

from analytics.api.lists import BY_NAME, LISTS
from analytics.api.routes import Api
from analytics.domain.paging import cursor
from analytics.reports import Reports
from contracts.events import BotStarted, ConversionRecorded, CtaClicked, GuideDue, MessageSent
from contracts.examples import GUIDE_DELIVERY, PROMO_DELIVERY, SLOT, USER, example
from harness.histories import every_event
from harness.logs import Log
from harness.waiting import until

from .conftest import Analytics, CaughtUp, Database, Following

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
HOSTILE = (
    "'; DROP SCHEMA fingerpost CASCADE; --",
    "1 OR 1=1",
    "$1",
    "{schema}",
    "%00",
    "\0",
    "\ud83d\ude00" * 40,
    "-1",
    "99999999999999999999999",
    "9" * 5_000,
    "2026-02-30",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31",
    "../../etc/passwd",
    "null",
    "[]",
)


def taps(number: int, first: int = 0) -> list[CtaClicked]:
    return [
        example(
            CtaClicked,
            source_id=f"tap {n}",
            user_id=USER + n % 3,
            clicked_at=SLOT + timedelta(seconds=n // 2),
        )
        for n in range(first, first + number)
    ]


@asynccontextmanager
async def api(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the API alone, without a login before it."""
    reports = Reports(database.dsn)
    app = Starlette(routes=list(Api(reports).routes()))
    keeping = asyncio.create_task(reports.keep(None))  # type: ignore[arg-type]  it is not asked
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test"
        ) as client:
            yield client
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def rows(client: httpx.AsyncClient, path: str, **asked: Any) -> list[dict[str, Any]]:
    """Follow a list to its end."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["rows"]
        if page["next"] is None:
            return found
        asked["after"] = page["next"]


async def test_every_list_holds_what_analysts_read(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    guide = {"delivery": GUIDE_DELIVERY, "campaign": "guides", "kind": "guide", "variant": "risk"}
    await log.say(*every_event(), example(GuideDue), example(MessageSent, **guide), *taps(20))
    async with following():
        await caught_up()
    async with api(database) as client:
        for one in LISTS:
            if one.name in {"clicks", "attribution", "conversion_rate"}:
                continue
            whole = await rows(client, f"/v1/{one.name}", limit=1_000)
            by_ones = await rows(client, f"/v1/{one.name}", limit=1)
            count = await database.value(f"SELECT count(*) FROM fingerpost.{one.name}")  # noqa: S608
            assert len(whole) == count, one.name
            assert by_ones == whole, one.name
            assert count, one.name
        assert await rows(client, "/v1/attribution", model="linear", limit=1) != []
        assert len(await rows(client, "/v1/conversion_rate", limit=1)) == 2


async def test_pages_are_stable_while_rows_arrive(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*taps(30))
    async with following(), api(database) as client:
        await caught_up()
        before = await rows(client, "/v1/clicks", limit=1_000)
        first = (await client.get("/v1/clicks", params={"limit": 7})).json()
        await log.say(*taps(10, first=30))
        await caught_up()

        rest = await rows(client, "/v1/clicks", limit=7, after=first["next"])

    assert first["rows"] + rest == before
    moments = [row["clicked_at"] for row in before]
    assert moments == sorted(moments, reverse=True)


async def test_a_list_ends_whenever_its_rows_were_made(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    moments = [datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1850, 1969, 2026, 9997)]
    for moment in moments:
        await log.say(
            example(ConversionRecorded, source_id=f"{moment.year}", occurred_at=moment, cta=None)
        )
    async with following():
        await caught_up()
    async with api(database) as client:
        for name in ("conversions", "attribution"):
            found = await rows(client, f"/v1/{name}", limit=1)
            assert len(found) == len(moments), name
        first, last = (cursor("clicks", (moment, "x")) for moment in (_FIRST, _LAST))
        for after in (first, last):
            assert await rows(client, "/v1/clicks", after=after) == []


async def test_programs_that_ask_much_take_neither_the_pages_nor_the_readiness(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*taps(3))
    async with following():
        await caught_up()
    reports = Reports(database.dsn)
    app = Starlette(routes=list(Api(reports).routes()))
    blocker = await asyncpg.connect(database.dsn)
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test", timeout=60
        ) as client:
            async with blocker.transaction(), asyncio.TaskGroup() as asking:
                await blocker.execute("LOCK TABLE fingerpost_v1.clicks")
                asked = [asking.create_task(client.get("/v1/clicks")) for _ in range(20)]
                await until(lambda: _waiting(database), lambda number: number >= 3)
                async with asyncio.timeout(20):  # the table stays locked meanwhile
                    async with reports.connection() as page:
                        assert await page.fetchval("SELECT 1") == 1
                    pages = [asking.create_task(_read_slowly(reports)) for _ in range(20)]
                    await until(lambda: _waiting(database), lambda number: number >= 7)
                    await reports.check()
                await blocker.execute("ROLLBACK; BEGIN")
            assert {task.result().status_code for task in asked} == {200}
            assert {task.result() for task in pages} == {3}
    finally:
        await blocker.close()
        await reports.close()


async def _read_slowly(reports: Reports) -> int:
    async with reports.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM clicks"))


async def _waiting(database: Database) -> int:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
    return int(await database.value(query))


async def test_the_questions_of_an_earlier_click_store_are_answered(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    robot = example(CtaClicked, source_id="robot", user_id=USER, verdict="robot")
    await log.say(*every_event(), *taps(9), robot)
    async with following():
        await caught_up()
    async with api(database) as client:
        history = await rows(client, f"/v1/users/{USER}/clicks")
        assert len(history) == 5
        assert {row["user_id"] for row in history} == {USER}
        assert history[0]["clicked_at"] >= history[-1]["clicked_at"]
        assert history[-1]["campaign"] == "promos"
        assert len(await rows(client, "/v1/clicks", campaign="promos")) == 11
        assert await rows(client, "/v1/clicks", campaign="guides") == []
        count = (await client.get("/v1/clicks/count", params={"campaign": "promos"})).json()
        assert count == {"clicks": 11, "people": 3}
        (rate,) = await rows(client, "/v1/conversion_rate", campaign="promos")
        assert (rate["unique_clickers"], rate["converted_clickers"]) == (3, 1)
        assert rate["conversion_rate"] == pytest.approx(1 / 3)
        assert (await rows(client, "/v1/users/5/clicks")) == []


async def test_filters_choose_by_period_kind_channel_and_person(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    later = SLOT + timedelta(days=2)
    await log.say(*every_event(), example(BotStarted, update_id=7, started_at=later))
    await log.say(example(ConversionRecorded, source_id="later", occurred_at=later, amount="9.90"))
    async with following():
        await caught_up()
    async with api(database) as client:
        day = f"{later:%Y-%m-%d}"
        paid = await rows(client, "/v1/conversions", since=day, until=day)
        assert [row["source_id"] for row in paid] == ["later"]
        assert paid[0]["occurred_at"].endswith("+00:00")
        assert paid[0]["amount"] == 9.90
        assert len(await rows(client, "/v1/starts", since=later.isoformat())) == 1
        assert await rows(client, "/v1/starts", until="2026-03-01", zone="Pacific/Auckland") == []
        assert await rows(client, "/v1/starts", kind="guide") == []
        assert len(await rows(client, "/v1/starts", kind="promo", user=str(USER))) == 2
        assert await rows(client, "/v1/deliveries", channel="@nobody") == []
        sent = await rows(client, "/v1/deliveries", state="sent", campaign="promos")
        assert [row["delivery"] for row in sent] == [PROMO_DELIVERY]


async def test_nothing_hostile_is_an_error_of_ours_or_changes_anything(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*every_event())
    async with following():
        await caught_up()
    before = await database.tables()
    async with api(database) as client:
        paths = {f"/v1/{one.name}": one.parameters for one in LISTS}
        paths["/v1/clicks/count"] = BY_NAME["clicks"].parameters
        for text in HOSTILE:
            for path, names in paths.items():
                for name in names:
                    answer = await client.get(path, params={name: text.encode("utf-8", "replace")})
                    assert answer.status_code in {200, 400}, (path, name, text, answer.text)
                    if answer.status_code == 400:
                        assert {"field", "problem", "remedy"} == set(answer.json()["error"])
                answer = await client.get(path, params={text.encode("utf-8", "replace"): "1"})
                assert answer.status_code == 400
            answer = await client.get(f"/v1/users/{text.encode('utf-8', 'replace')!r}/clicks")
            assert answer.status_code in {400, 404}
    assert await database.tables() == before


@pytest.mark.parametrize(
    "written",
    [
        "x",
        "!!!",
        "é",
        urlsafe_b64encode(b'["clicks"]').decode(),
        urlsafe_b64encode(b'["starts","2026-03-01T12:00:00+00:00","x"]').decode(),
        urlsafe_b64encode(b'["clicks","2026-03-01","x"]').decode(),
        urlsafe_b64encode(b'["clicks","2026-03-01T12:00:00","x"]').decode(),
        urlsafe_b64encode(b'["clicks","2026-03-01T12:00:00+00:00",7]').decode(),
        urlsafe_b64encode(b'["clicks","2026-03-01T12:00:00+00:00","\\ud800"]').decode(),
        urlsafe_b64encode(b'["clicks","2026-03-01T12:00:00+00:00","a\\u0000"]').decode(),
        urlsafe_b64encode(b"[" * 1_000).decode(),
        urlsafe_b64encode(b'{"clicks":1}').decode(),
    ],
)
async def test_a_cursor_that_was_not_given_out_is_refused_with_the_reason(
    database: Database, written: str
) -> None:
    async with api(database) as client:
        answer = await client.get("/v1/clicks", params={"after": written})

    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "after"
    assert "begin without it" in answer.json()["error"]["remedy"]


async def test_what_is_wrong_is_named_with_the_remedy(database: Database) -> None:
    async with api(database) as client:
        refused = [
            ("/v1/clicks?campain=promos", 400, "campain", "did you mean campaign?"),
            ("/v1/clicks?limit=0", 400, "limit", "give one from 1 to 1000"),
            ("/v1/clicks?limit=5&limit=6", 400, "limit", "give it once"),
            ("/v1/clicks?since=2026-03-03&until=2026-03-01", 400, "since", "exchange the two"),
            ("/v1/clicks?zone=Mars", 400, "zone", "give an IANA name such as Europe/Berlin"),
            ("/v1/nothing", 404, "path", "see /v1/openapi.json"),
            ("/v1/clicks", 503, "tables", "repeat it in a few seconds"),
        ]
        for path, status, field, remedy in refused:
            answer = await client.get(path)
            error = answer.json()["error"]
            assert (answer.status_code, error["field"], error["remedy"]) == (status, field, remedy)
        answer = await client.delete("/v1/clicks")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
        assert answer.json()["error"]["field"] == "method"


async def test_whatever_the_document_allows_or_forbids_the_answer_is_as_it_says(
    log: Log, analytics: Analytics, caught_up: CaughtUp
) -> None:
    await log.say(*every_event(), *taps(20))
    await analytics.process.answers(f"{analytics.url}/readyz", 30)
    await caught_up()

    await asyncio.to_thread(_conforms, analytics.url)


def _conforms(url: str) -> None:
    operations = schemathesis.openapi.from_url(f"{url}/v1/openapi.json").get_all_operations()
    checked = 0
    for found in operations:

        @given(case=found.ok().as_strategy())
        @settings(max_examples=15, derandomize=True, suppress_health_check=list(HealthCheck))
        def conforms(case: schemathesis.Case) -> None:
            # What a cursor or a zone may be, a schema cannot say.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        conforms()
        checked += 1
    assert checked == len(LISTS) + 2
