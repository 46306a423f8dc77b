"""The service as a process: its pages, exports and errors, and the page in a real browser."""

import asyncio
import csv
import io
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from arro3.io import read_parquet
from playwright.async_api import async_playwright, expect

from analytics.domain.filters import ASPECTS
from chassis.clock import utc_now
from contracts.events import (
    CampaignDefined,
    ConversionRecorded,
    CtaClicked,
    Event,
    GuideDue,
    MessageSent,
    PromoDue,
)
from contracts.examples import CHANNEL, GUIDE_DELIVERY, GUIDES, example
from harness.histories import every_event, plan
from harness.logs import Log
from harness.waiting import until

from .conftest import Analytics, CaughtUp, Database

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 20_000
HOSTILE = "<script>alert('owned')</script>"
PERSON = example(CtaClicked).user_id
PAGES = (
    "/",
    "/campaigns",
    "/campaigns/promos",
    "/deliveries",
    "/people",
    f"/people/{PERSON}",
    "/events",
    "/projection",
)
INJECTIONS = (
    "'; DROP TABLE fingerpost_v1.clicks; --",
    "' OR '1'='1",
    "$1",
    "promos' UNION SELECT 1 --",
    "%27%3B",
    "\\",
    "a" * 5_000,
    "\0",
    "٣",
    "-1",
    "null",
)


async def ready(analytics: Analytics) -> None:
    await analytics.process.answers(f"{analytics.url}/readyz", 40)


def posts() -> list[Event]:
    promos = plan("promos", title=HOSTILE)
    guide = {"delivery": GUIDE_DELIVERY, "campaign": "guides", "kind": "guide", "variant": "risk"}
    return [
        example(CampaignDefined, campaign="promos", definition=promos),
        example(CampaignDefined, definition=GUIDES),
        example(PromoDue),
        example(GuideDue),
        example(MessageSent, latency_ms=350),
        example(MessageSent, **guide),
    ]


async def test_pages_rows_and_health_over_http(log: Log, analytics: Analytics) -> None:
    await ready(analytics)
    async with httpx.AsyncClient(base_url=analytics.url, timeout=60) as client:
        empty = (await client.get("/")).text
        assert "No promo was posted or tapped in this period." in empty
        assert "No delivery is due yet." in empty
        assert "No taps in the last 61 minutes." in empty
        assert "No campaign is defined yet" in (await client.get("/campaigns")).text

        await log.say(*posts(), example(CtaClicked), example(ConversionRecorded))

        async def page_text() -> str:
            return (await client.get("/?period=all")).text

        page = await until(page_text, lambda text: "250 ★" in text)
        assert HOSTILE not in page
        assert "&lt;script&gt;alert" in page
        assert 'data-stat="clicks">1<' in page
        assert "350 ms" in page

        async def again() -> int:
            first = await client.get("/?period=all")
            known = {"If-None-Match": first.headers["ETag"]}
            return (await client.get("/?period=all", headers=known)).status_code

        # What is shown first may be drawn anew between the two.
        await until(again, lambda status: status == 304)

        async def metrics() -> str:
            return (await client.get("/metrics")).text

        # The rows are there a moment before the process hears of it.
        shown = await until(metrics, lambda text: "fingerpost_projection_checkpoint 8.0" in text)
        assert "fingerpost_projection_quarantined_total 0.0" in shown
        checks = (await client.get("/readyz")).json()["checks"]
        assert {"postgres", "projection", "nats"} <= checks.keys()


async def test_every_page_is_safe_and_every_table_can_be_taken_away(
    log: Log, analytics: Analytics, caught_up: CaughtUp, database: Database
) -> None:
    await ready(analytics)
    await log.say(*every_event())
    await caught_up()
    async with httpx.AsyncClient(base_url=analytics.url, timeout=60) as client:
        for page in PAGES:
            answer = await client.get(page, params={"period": "all", "zone": "Asia/Tokyo"})
            assert answer.status_code == 200, page
            assert answer.headers["Cache-Control"] == "no-store"
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert " style=" not in answer.text
            assert "<script>" not in answer.text

        style = (await client.get("/")).text.split('rel="stylesheet" href="')[1].split('"')[0]
        asset = await client.get(style)
        assert "immutable" in asset.headers["Cache-Control"]
        assert (await client.get("/static/..%2Fsettings.py")).status_code == 404

        journey = (await client.get(f"/people/{PERSON}")).text
        assert all(act in journey for act in ("tap", "start", "refund", "250 ★"))

        names = {"variants": 1, "campaigns": 1, "channels": 1, "hours": 168, "quarantine": 0}
        for table in ("clicks", "starts", "conversions", "deliveries"):
            query = f"SELECT count(*) FROM fingerpost.{table}"  # noqa: S608
            names[table] = await database.value(query)
        names["deliveries"] -= 1  # of one the story tells no planned instant
        for name, count in names.items():
            query = {"period": "all"}
            text = await client.get(f"/export/{name}.csv", params=query)
            rows = list(csv.DictReader(io.StringIO(text.text)))
            assert (name, len(rows)) == (name, count)
            file = await client.get(f"/export/{name}.parquet", params=query)
            table = read_parquet(io.BytesIO(file.content)).read_all()
            assert (name, table.num_rows) == (name, count)
            assert list(table.column_names) == text.text.splitlines()[0].split(",")
        acts = await client.get("/export/journey.csv", params={"person": str(PERSON)})
        assert len(acts.text.splitlines()) > 4
        assert next(csv.DictReader(io.StringIO(acts.text)))["channel"] == CHANNEL


async def test_what_cannot_be_shown_is_refused_with_a_reason(
    log: Log, analytics: Analytics, caught_up: CaughtUp, database: Database
) -> None:
    await ready(analytics)
    await log.say(*every_event())
    await caught_up()
    before = await database.tables()
    async with httpx.AsyncClient(base_url=analytics.url, timeout=60) as client:
        for address, status, reason in (
            ("/?zone=Mars/X", 400, "The value of zone is no time zone."),
            ("/?period=ever", 400, "The value of period is unknown."),
            ("/?campaign=nope", 404, "There is no campaign nope."),
            ("/campaigns/nope", 404, "There is no campaign nope."),
            ("/campaigns/NO%20ID", 400, "The value of campaign is no id."),
            ("/deliveries?state=lost", 400, "The value of state is unknown."),
            ("/deliveries?after=AAAA", 400, "The value of after is no place in this table."),
            ("/people/1e9", 400, "The value of person is no Telegram id."),
            ("/people/1", 404, "Nothing is known of a person 1."),
            ("/export/secrets.csv", 404, "There is no export secrets.csv."),
            ("/export/clicks.exe", 404, "There is no export clicks.exe."),
            ("/wp-login.php", 404, "There is no such page."),
        ):
            answer = await client.get(address)
            assert (address, answer.status_code) == (address, status)
            assert reason in answer.text

        places = ("/", "/campaigns", "/campaigns/promos", "/deliveries", "/export/clicks.csv")
        fields = (
            "period",
            "since",
            "until",
            "campaign",
            "kind",
            "channel",
            "zone",
            "state",
            "after",
        )
        for hostile in INJECTIONS:
            for place in places:
                for field in fields:
                    answer = await client.get(place, params={field: hostile})
                    assert answer.status_code in {200, 400, 404}, (place, field, hostile)
            for place in (
                "/campaigns/",
                "/people/",
                "/people?person=",
                "/export/journey.csv?person=",
            ):
                answer = await client.get(place + quote(hostile, safe=""))
                assert answer.status_code in {400, 404}, (place, hostile)
        for state in ASPECTS:
            answer = await client.get("/deliveries", params={"state": state, "period": "all"})
            assert answer.status_code == 200
    assert await database.tables() == before


async def test_pages_that_count_are_drawn_two_at_once_and_refused_where_twenty_wait(
    log: Log, analytics: Analytics, caught_up: CaughtUp, database: Database
) -> None:
    await ready(analytics)
    await log.say(*posts(), example(CtaClicked))
    await caught_up()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=analytics.url, timeout=60, limits=limits) as client:

        async def ask(day: int) -> httpx.Response:
            return await client.get("/", params={"since": f"2026-01-{day:02}"})

        async def counting() -> int:
            return int(
                await database.value(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND application_name = 'fingerpost-analytics-dashboard'"
                )
            )

        async with held(database, "fingerpost_v1.stretches"):
            asked = [asyncio.create_task(ask(day)) for day in range(1, 31)]

            async def refused() -> list[httpx.Response]:
                return [task.result() for task in asked if task.done()]

            early = await until(refused, lambda found: len(found) == 30 - 22)
            assert await until(counting, lambda found: found == 2) == 2
            # Who waits holds no connection: what counts nothing is drawn meanwhile.
            for page in ("/deliveries", "/projection", f"/people/{PERSON}"):
                assert (await client.get(page)).status_code == 200
            assert await counting() == 2
        answers = await asyncio.gather(*asked)

        assert {answer.status_code for answer in early} == {503}
        assert {answer.headers["Retry-After"] for answer in early} == {"2"}
        assert all("20 pages wait already to be drawn." in answer.text for answer in early)
        assert sorted(answer.status_code for answer in answers) == [200] * 22 + [503] * 8
        assert (await ask(1)).status_code == (await ask(31)).status_code == 200


@asynccontextmanager
async def held(database: Database, table: str) -> AsyncIterator[None]:
    """Keep everybody from reading a table."""
    connection = await asyncpg.connect(database.dsn)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
async def test_a_tap_shows_on_an_open_page(log: Log, analytics: Analytics) -> None:
    expect.set_options(timeout=PATIENCE)
    await log.say(*posts())
    await ready(analytics)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 390, "height": 800})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.goto(f"{analytics.url}/?period=all")
        row = page.get_by_test_id("conversion-table").locator("[data-variant=premium]")
        await expect(row.locator("[data-column=clicks]")).to_have_text("0")
        await page.evaluate("window.notReloaded = true")
        await page.locator("[aria-labelledby=conversions].scroll").focus()

        await log.say(example(CtaClicked, clicked_at=utc_now()), example(ConversionRecorded))

        await expect(row.locator("[data-column=clicks]")).to_have_text("1")
        await expect(row.locator("[data-column=rate] strong")).to_have_text("100.0%")
        await expect(page.locator("[data-stat=people]")).to_have_text("1")
        await expect(page.locator("[data-stat=revenue]")).to_have_text("250 ★ ")
        chart = page.get_by_test_id("clicks-chart")
        await expect(chart.locator(".series-1 [data-count='1']")).to_be_visible()
        assert await page.evaluate("window.notReloaded")
        assert await page.evaluate("document.activeElement.className") == "scroll"
        assert await page.evaluate("document.documentElement.scrollWidth") == 390

        assert said == []
        await analytics.process.kill()
        await expect(page.get_by_test_id("live")).to_have_text("connection lost, trying again")
        await browser.close()
    # How a request fails depends on how far it was when the process was killed.
    assert [text for text in said if "net::ERR_" not in text] == []
