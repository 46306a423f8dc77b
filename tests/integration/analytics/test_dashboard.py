"""The service as a process: its pages, and the page in a real browser."""

import shutil
from typing import Any

import httpx
import pytest
from playwright.async_api import async_playwright, expect

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
from contracts.examples import GUIDE_DELIVERY, GUIDES, example
from harness.histories import plan
from harness.logs import Log
from harness.waiting import until

from .conftest import Analytics

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 20_000
HOSTILE = "<script>alert('owned')</script>"


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
    async with httpx.AsyncClient(base_url=analytics.url) as client:
        empty = (await client.get("/")).text
        assert "Nothing was posted yet." in empty
        assert "No taps in the last 60 minutes." in empty

        await log.say(*posts(), example(CtaClicked), example(ConversionRecorded))

        async def rows() -> Any:
            return (await client.get("/v1/promo_conversion")).json()["rows"]

        async def page_text() -> str:
            return (await client.get("/")).text

        (row,) = await until(rows, lambda found: found and found[0]["conversions"] == 1)
        assert (row["campaign"], row["variant"], row["day"]) == ("promos", "premium", "2026-03-01")
        assert (row["clicks"], row["revenue"]) == (1, {"XTR": 250})
        status = (await client.get("/v1/projection_status")).json()["rows"][0]
        assert (status["checkpoint"], status["quarantined"]) == (8, 0)

        page = await until(page_text, lambda text: "Nothing was posted yet." not in text)
        assert HOSTILE not in page
        assert "&lt;script&gt;alert" in page
        assert "350 ms" in page

        live = await client.get("/live")
        again = await client.get("/live", headers={"If-None-Match": live.headers["ETag"]})
        assert (live.status_code, again.status_code) == (200, 304)
        assert 'data-stat="clicks">1<' in live.json()["headline"]

        metrics = (await client.get("/metrics")).text
        assert "fingerpost_projection_checkpoint 8.0" in metrics
        assert "fingerpost_projection_quarantined_total 0.0" in metrics
        checks = (await client.get("/readyz")).json()["checks"]
        assert {"postgres", "projection", "nats"} <= checks.keys()


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
        await page.goto(analytics.url)
        row = page.get_by_test_id("conversion-table").locator("[data-variant=premium]")
        await expect(row.locator("[data-column=clicks]")).to_have_text("0")
        await page.evaluate("window.notReloaded = true")
        await page.locator("[aria-labelledby=conversions].scroll").focus()

        await log.say(example(CtaClicked, clicked_at=utc_now()), example(ConversionRecorded))

        # tests/browser proves that it takes less than a second; here many tests may run at once.
        await expect(row.locator("[data-column=clicks]")).to_have_text("1", timeout=5_000)
        await expect(row.locator("[data-column=rate] strong")).to_have_text("100.0%")
        await expect(page.locator("[data-stat=people]")).to_have_text("1")
        await expect(page.locator("[data-stat=revenue]")).to_have_text("250 ★ ")
        chart = page.get_by_test_id("clicks-chart")
        await expect(chart.locator("[data-clicks='1']")).to_be_visible()
        assert await page.evaluate("window.notReloaded")
        assert await page.evaluate("document.activeElement.className") == "scroll"
        assert await page.evaluate("document.documentElement.scrollWidth") == 390

        await analytics.process.kill()
        await expect(page.get_by_test_id("live")).to_have_text("connection lost, trying again")
        await browser.close()
    assert [text for text in said if "ERR_CONNECTION" not in text] == []
